//! Evidence for each verdict, as files in a folder.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::{Ledger, Plan};

/// What a stranger writes who wants a report to say something else.
pub const HOSTILE: &str = "<script>alert(1)</script><img src=x onerror=alert(2)>\u{1b}[2J\u{1b}]0;GOOD\
    \u{7}\u{9b}31m\u{202e}DOOG\u{202c}\u{61c}\u{2028}\u{200b}\u{e0041}]]>--></style></pre>&amp;\"'";

/// What of it must never be shown as it is.
pub const OBEYED: [char; 10] = [
    '\u{1b}',
    '\u{7}',
    '\u{9b}',
    '\u{202e}',
    '\u{202c}',
    '\u{61c}',
    '\u{2028}',
    '\u{200b}',
    '\u{e0041}',
    '\r',
];

/// Something that is verified: its name, the arguments, the exit code and the verdict's word.
pub struct Case {
    pub name: &'static str,
    pub arguments: Vec<String>,
    pub exit_code: i32,
    pub word: &'static str,
}

pub fn hostile_event() -> Vec<u8> {
    let mut out = b"{\"note\":".to_vec();
    indelible_core::json::push_string(&mut out, HOSTILE);
    out.extend_from_slice(b",\"user\":\"eve\"}");
    out
}

/// A ledger with one hostile event, record 6.
pub fn ledger() -> Ledger {
    let mut ledger = Plan::new("orders").ledger(5);
    ledger.push_event(&hostile_event(), 6 * 250);
    let digest = ledger.records[6].digest;
    ledger.records[6].signature = Some(ledger.plan.signer.record(&digest));
    ledger.grow(24);
    ledger
}

/// Writes the evidence for all verdicts into `folder`.
pub fn write(folder: &Path) -> Vec<Case> {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let put = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).unwrap();
    let ledger = ledger();
    let size = ledger.size();
    put("head", ledger.head().as_bytes());
    put("export", &ledger.export());
    put("receipt.json", &ledger.receipt(6, size).to_json());
    ledger.vault(&folder.join("good"), &[12]);
    Plan::new("payroll").per_commit(4).ledger(9).vault(&folder.join("good"), &[]);

    damaged_vault(&folder.join("damaged"), &ledger);
    let mut other = Plan::new("orders");
    other.event_bytes = 90;
    other.ledger(size - 1).vault(&folder.join("tampered"), &[12]);
    let mut older = ledger.clone();
    older.seal(&folder.join("behind"), 20);
    ledger.vault(&folder.join("unchecked"), &[12]);
    symlink("/nowhere", folder.join("unchecked/payroll")).unwrap();
    put(&format!("unchecked/orders/old{}.manifest", HOSTILE.replace('/', "-")), b"?");
    let forged = String::from_utf8(ledger.receipt(6, size).to_json()).unwrap();
    put("forged.json", forged.replace("\"user\":\"eve\"", "\"user\":\"ada\"").as_bytes());

    let case = |name, kind: &str, what: &str, head: bool, exit_code, word| {
        let mut arguments = vec![kind.to_owned(), path(what)];
        if head {
            arguments.extend(["--head".to_owned(), path("head")]);
        }
        Case { name, arguments, exit_code, word }
    };
    vec![
        case("good", "vault", "good", true, 0, "GOOD"),
        case("damaged", "vault", "damaged", true, 1, "DAMAGED OR CHANGED"),
        case("tampered", "vault", "tampered", true, 1, "TAMPERED"),
        case("behind", "vault", "behind", true, 2, "BEHIND"),
        case("unchecked", "vault", "unchecked", true, 2, "NOT CHECKED"),
        case("receipt", "receipt", "receipt.json", false, 0, "GOOD"),
        case("forged", "receipt", "forged.json", false, 1, "DAMAGED OR CHANGED"),
    ]
}

/// A vault in which records were edited, one to be none any more, and one taken out.
fn damaged_vault(vault: &Path, ledger: &Ledger) {
    ledger.vault(vault, &[12]);
    let object = super::files(vault)
        .into_iter()
        .find(|file| file.to_string_lossy().ends_with(".zst"))
        .unwrap();
    let plain = zstd::decode_all(&*fs::read(&object).unwrap()).unwrap();
    let lines: Vec<&[u8]> = plain.split_inclusive(|byte| *byte == b'\n').collect();
    let mut changed = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let text = str::from_utf8(line).unwrap();
        match at {
            3 => changed
                .extend(text.replace("\"action\":\"pay\"", "\"action\":\"PAY\"").into_bytes()),
            6 => changed.extend(text.replace("\"user\":\"eve\"", "\"user\":\"ada\"").into_bytes()),
            8 => changed.extend(format!("{HOSTILE}\n").into_bytes()),
            9 => {}
            _ => changed.extend_from_slice(line),
        }
    }
    fs::write(object, super::pack(&changed)).unwrap();
}
