//! Canonical form, as both read and write it.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use indelible_core::json::{Limits, canonicalize, check_canonical};

use crate::python::Python;

/// Texts that are JSON or nearly so: parts put together, then some bytes changed.
fn nearly_json(seed: u64) -> Vec<u8> {
    const PARTS: [&str; 40] = [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"a\"",
        "\"b\"",
        "\"\u{e9}\"",
        "\"\\u0041\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\n\\u001f\"",
        "\"\u{fb33}\u{1f600}\"",
        "0",
        "-0",
        "1e21",
        "1e20",
        "1.50",
        "0.000001",
        "1e-7",
        "9007199254740991",
        "9007199254740992",
        "1e400",
        "1e-400",
        "5e-324",
        "333333333.33333329",
        "true",
        "false",
        "null",
        " ",
        "\n",
        "{\"a\":1}",
        "[1,2]",
        "{\"b\":{},\"a\":[]}",
        "{\"a\":1,\"a\":2}",
        "123456789012345678",
        "4.5",
        "-1.7976931348623157e308",
        "01",
    ];
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 33) as usize % below
    };
    if random(3) == 0 {
        let number = f64::from_bits(random(1 << 31) as u64 ^ (random(1 << 31) as u64) << 33);
        return format!("[{number:e}]").into_bytes();
    }
    let mut text = match random(3) {
        0 => (0..1 + random(6)).map(|_| PARTS[random(PARTS.len())]).collect::<String>(),
        1 => format!(
            "{{{}:{},\"c\":{}}}",
            PARTS[6 + random(8)],
            PARTS[14 + random(13)],
            PARTS[random(40)]
        ),
        _ => format!("[{},{}]", PARTS[6 + random(25)], PARTS[14 + random(26)]),
    }
    .into_bytes();
    if random(4) == 0 {
        let at = random(text.len());
        text[at] ^= 1 << random(8);
    }
    text
}

#[test]
fn canonical_json_is_the_same_to_both() {
    let texts: Vec<Vec<u8>> = (1..6_000).map(nearly_json).collect();
    let questions: Vec<_> = texts
        .iter()
        .map(|text| serde_json::json!({"bytes": STANDARD.encode(text), "depth": 64}))
        .collect();
    let mut accepted = 0;
    for (text, answer) in texts.iter().zip(Python::program().ask("json", &questions)) {
        let shown = String::from_utf8_lossy(text);
        match canonicalize(text, Limits::EVENT) {
            Ok(canonical) => {
                accepted += 1;
                assert_eq!(answer["canonical"], STANDARD.encode(canonical), "{shown}: {answer}");
            }
            Err(error) => assert!(answer["code"].is_string(), "{shown}: {error}, Python: {answer}"),
        }
        let same = check_canonical(text, Limits::EVENT).is_ok();
        assert_eq!(same, answer["same"] == true, "{shown}: {answer}");
    }
    assert!(accepted > 1_000 && accepted < 5_500, "{accepted} are JSON: the texts are one-sided");
}
