//! Canonical JSON for people: indented, and led into by pointers (RFC 6901).
//!
//! Only for bytes that were found to be canonical JSON; of others nothing sensible comes out, and
//! nothing worse.

use indelible_core::json::parse_string;

/// Where the value that begins at `at` ends.
fn value_end(json: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0u32;
    let mut pos = at;
    loop {
        match json.get(pos)? {
            b'"' => pos = string_end(json, pos)?,
            b'{' | b'[' => {
                depth += 1;
                pos += 1;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                pos += 1;
            }
            _ => pos += 1,
        }
        let ended = matches!(json.get(pos), None | Some(b',' | b'}' | b']'));
        if depth == 0 && (ended || matches!(json.get(at), Some(b'"' | b'{' | b'['))) {
            return Some(pos);
        }
    }
}

/// Where the string that begins at `at` ends, its closing quote included.
fn string_end(json: &[u8], at: usize) -> Option<usize> {
    let mut pos = at + 1;
    loop {
        match json.get(pos)? {
            b'"' => return Some(pos + 1),
            b'\\' => pos += 2,
            _ => pos += 1,
        }
    }
}

/// The value that a JSON pointer (RFC 6901) leads to. `""` is the whole.
#[must_use]
pub fn pointer<'a>(json: &'a [u8], pointer: &str) -> Option<&'a [u8]> {
    if pointer.is_empty() {
        return Some(json);
    }
    pointer
        .strip_prefix('/')?
        .split('/')
        .try_fold(json, |value, token| child(value, &token.replace("~1", "/").replace("~0", "~")))
}

fn child<'a>(json: &'a [u8], token: &str) -> Option<&'a [u8]> {
    let is_object = match json.first()? {
        b'{' => true,
        b'[' => false,
        _ => return None,
    };
    let (mut pos, mut index) = (1, 0u64);
    while !matches!(json.get(pos)?, b'}' | b']') {
        let found = if is_object {
            let end = string_end(json, pos)?;
            let name = parse_string(json.get(pos..end)?)?;
            pos = end + 1;
            name == token
        } else {
            index.to_string() == token
        };
        let end = value_end(json, pos)?;
        if found {
            return json.get(pos..end);
        }
        index += 1;
        pos = end + usize::from(json.get(end) == Some(&b','));
    }
    None
}

/// The same JSON with a line for each member and element, indented by two spaces. Bytes within strings
/// stay as they are.
#[must_use]
pub fn indented(json: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(json.len() * 2);
    let (mut depth, mut pos) = (0usize, 0);
    let break_line = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + depth * 2, b' ');
    };
    while let Some(byte) = json.get(pos) {
        let mut next = pos + 1;
        match byte {
            b'"' => {
                next = string_end(json, pos).unwrap_or(json.len());
                out.extend_from_slice(json.get(pos..next).unwrap_or_default());
            }
            b'{' | b'[' if matches!(json.get(next), Some(b'}' | b']')) => {
                next += 1;
                out.extend_from_slice(json.get(pos..next).unwrap_or_default());
            }
            b'{' | b'[' => {
                out.push(*byte);
                depth += 1;
                break_line(&mut out, depth);
            }
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                break_line(&mut out, depth);
                out.push(*byte);
            }
            b',' => {
                out.push(b',');
                break_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            other => out.push(*other),
        }
        pos = next;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const JSON: &[u8] = br#"{"":1,"a/b":{"~":[10,"x,]}\"",{"c":null},[]]},"n":-1.5e-7,"t":true}"#;

    #[test]
    fn pointers_lead_into_objects_and_arrays() {
        for (path, value) in [
            ("/", Some("1")),
            ("/a~1b/~0/0", Some("10")),
            ("/a~1b/~0/1", Some(r#""x,]}\"""#)),
            ("/a~1b/~0/2/c", Some("null")),
            ("/a~1b/~0/2", Some(r#"{"c":null}"#)),
            ("/a~1b/~0/3", Some("[]")),
            ("/n", Some("-1.5e-7")),
            ("/t", Some("true")),
            ("/a~1b/~0/4", None),
            ("/a~1b/~0/00", None),
            ("/t/x", None),
            ("/missing", None),
            ("n", None),
        ] {
            let found = pointer(JSON, path).map(|value| str::from_utf8(value).unwrap());
            assert_eq!(found, value, "{path}");
        }
        assert_eq!(pointer(JSON, ""), Some(JSON));
    }

    #[test]
    fn indenting_changes_nothing_but_white_space() {
        let text = indented(JSON);
        let back =
            indelible_core::json::canonicalize(&text, indelible_core::json::Limits::DOCUMENT);
        assert_eq!(back.unwrap(), JSON);
        assert_eq!(indented(b"{\"a\":[1,{}]}"), b"{\n  \"a\": [\n    1,\n    {}\n  ]\n}");
    }

    #[test]
    fn cut_json_ends() {
        for end in 0..JSON.len() {
            let cut = &JSON[..end];
            let _ = (indented(cut), pointer(cut, "/a~1b/~0/3/1"), pointer(cut, "/t"));
        }
    }
}
