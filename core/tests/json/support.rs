//! Makes JSON values and spells them in every way that means the same.

use proptest::prelude::*;
use serde_json::Value;

/// A small generator (SplitMix64), so that a case depends on its seed and nothing else.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}

/// Whether the ledger takes the number: not an integer that only looks exact.
pub(crate) fn carried(number: f64) -> bool {
    let magnitude = number.abs();
    magnitude.is_finite() && !(9_007_199_254_740_992.0..1e21).contains(&magnitude)
}

pub(crate) fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z_]{0,12}",
        ".{0,8}",
        // Controls, quotes, backslashes, both sides of the surrogate gap, U+2028, astral characters.
        "[\\x00-\\x1f\"\\\\/\\x7f\u{80}\u{d7ff}\u{e000}\u{fb33}\u{ffff}\u{2028}\u{10000}\u{10ffff}a-c]{0,8}",
    ]
}

pub(crate) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-1000i64..1000).prop_map(Value::from),
        any::<f64>().prop_filter("a number that is carried", |n| carried(*n)).prop_map(Value::from),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((any_text(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A text that means `value`: white space, escapes, spelling of numbers and order of members drawn
/// from `rng`.
pub(crate) fn spell(value: &Value, rng: &mut Rng) -> String {
    let mut out = String::new();
    spell_into(value, rng, &mut out);
    out
}

fn blank(rng: &mut Rng, out: &mut String) {
    while rng.one_in(3) {
        out.push([' ', '\n', '\r', '\t'][rng.below(4)]);
    }
}

fn spell_into(value: &Value, rng: &mut Rng, out: &mut String) {
    blank(rng, out);
    match value {
        Value::Number(number) if number.is_f64() => {
            let double = number.as_f64().unwrap();
            out.push_str(&match rng.below(3) {
                0 => format!("{double:e}"),
                1 => format!("{double:E}").replace("E", "E+").replace("+-", "-"),
                // A dot, so that it never is an integer literal.
                _ => format!("{double:?}"),
            });
        }
        Value::String(text) => spell_text(text, rng, out),
        Value::Array(elements) => {
            out.push('[');
            for (i, element) in elements.iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                spell_into(element, rng, out);
            }
            blank(rng, out);
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            for i in (1..members.len()).rev() {
                members.swap(i, rng.below(i + 1));
            }
            out.push('{');
            for (i, (name, value)) in members.into_iter().enumerate() {
                out.push_str(if i > 0 { "," } else { "" });
                blank(rng, out);
                spell_text(name, rng, out);
                blank(rng, out);
                out.push(':');
                spell_into(value, rng, out);
            }
            blank(rng, out);
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
    blank(rng, out);
}

fn spell_text(text: &str, rng: &mut Rng, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        if rng.one_in(8) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let digits = format!("{unit:04x}");
                out.push_str("\\u");
                out.push_str(&if rng.one_in(2) { digits.to_uppercase() } else { digits });
            }
        } else if c == '/' && rng.one_in(2) {
            out.push_str("\\/");
        } else {
            out.push_str(serde_json::to_string(&c).unwrap().trim_matches('"'));
            // Trimming took the quote of a quote, too.
            out.push_str(if c == '"' { "\"" } else { "" });
        }
    }
    out.push('"');
}
