//! The end of the page: what was given to be checked, and with what.

use std::io::{self, Write};

use super::facts::Facts;
use super::page::safe;
use super::{counted, thousands};

/// Files, keys, heads and options that are shown, of each.
const GIVEN_MAX: usize = 200;

/// Writes it.
pub(super) fn write(out: &mut dyn Write, facts: &Facts<'_>) -> io::Result<()> {
    let given = facts.given;
    out.write_all(
        b"<h2>What was given</h2>\n<h3>Files</h3>\n<table><thead><tr><th>file</th>\
        <th class=\"n\">bytes</th><th>SHA-256</th></tr></thead><tbody>\n",
    )?;
    let number = |size: Option<u64>| size.map(thousands).unwrap_or_default();
    for input in given.inputs.iter().take(GIVEN_MAX) {
        writeln!(
            out,
            "<tr><td>{}<br><span class=\"dim\">{}</span></td><td class=\"n\">{}</td>\
             <td><code>{}</code></td></tr>",
            safe(&input.what),
            safe(&input.remark),
            number(input.size),
            safe(input.sha256.as_deref().unwrap_or("not computed"))
        )?;
    }
    for head in given.heads.iter().take(GIVEN_MAX) {
        let says = match (&head.origin, head.records) {
            (Some(origin), Some(records)) => {
                format!("head of {}, {}", safe(origin), counted(records, "record"))
            }
            _ => "a head that could not be read".to_owned(),
        };
        writeln!(
            out,
            "<tr><td>{}<br><span class=\"dim\">{says}</span></td><td class=\"n\">{}</td><td><code>{}\
             </code></td></tr>",
            safe(&head.file),
            number(head.size),
            safe(head.sha256.as_deref().unwrap_or("not computed"))
        )?;
    }
    out.write_all(b"</tbody></table>\n")?;
    if given.heads.is_empty() {
        out.write_all(b"<p>No head was given.</p>\n")?;
    }
    out.write_all(b"<h3>Keys that were trusted</h3>\n<table class=\"facts\">\n")?;
    for key in given.keys.iter().take(GIVEN_MAX) {
        writeln!(
            out,
            "<tr><th>{}</th><td><code>{}</code><br><code class=\"dim\">{}</code></td></tr>",
            safe(&key.name),
            safe(&key.id),
            safe(&key.vkey)
        )?;
    }
    out.write_all(b"</table>\n<h3>How</h3>\n<table class=\"facts\">\n")?;
    for (name, value) in given.options.iter().take(GIVEN_MAX) {
        writeln!(out, "<tr><th>{}</th><td>{}</td></tr>", safe(name), safe(value))?;
    }
    writeln!(
        out,
        "<tr><th>took</th><td>{:.1} s</td></tr>\n</table>\n<p class=\"dim\">Characters that are not seen, \
         or that would change how this page reads, are shown as <code>\\u{{202e}}</code>. What every code \
         means to the byte stands in section 8 of the format page.</p>",
        facts.elapsed.as_secs_f64()
    )
}
