//! What a text of a megabyte takes while it is read, where it was made to take as much as it can.
//!
//! Measured as the kernel does it, the peak of the resident memory, so this test is a program of its own
//! and goes through its cases one after the other.
#![cfg(target_os = "linux")]

use std::fs;

use indelible_core::json::{
    CanonicalObject, Limits, Numbers, Value, canonicalize, canonicalize_array, check_canonical,
};
use indelible_core::limits::EVENT_BYTES_MAX;
use indelible_core::record::PreparedEvent;

/// What reading a text of 1 MiB may take at its worst.
const READING_KIB_MAX: usize = 16 << 10;

/// What an object of an array may take however small it is.
const ELEMENT_BYTES_MAX: usize = 256;

/// `piece` again and again between `start` and `end`, with commas, as much as an event may have.
fn filled(start: &str, piece: impl Fn(usize) -> String, end: &str) -> String {
    let mut text = start.to_owned();
    for n in 0.. {
        let piece = piece(n);
        if text.len() + piece.len() + 1 + end.len() > EVENT_BYTES_MAX {
            break;
        }
        if n > 0 {
            text.push(',');
        }
        text.push_str(&piece);
    }
    text + end
}

fn status(field: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Peak of the memory of this process while `run` runs, in KiB. What the allocator keeps of earlier cases
/// counts as well, so that a case may look worse than it is, and none better.
fn peak(run: impl FnOnce()) -> usize {
    fs::write("/proc/self/clear_refs", "5").unwrap();
    run();
    status("VmHWM:")
}

#[test]
fn no_text_takes_many_times_its_size_to_read() {
    let name = |n: usize| format!("{n:x}");
    let texts = [
        ("objects", filled("{\"a\":[", |_| "{\"\":1}".into(), "]}")),
        ("empty objects", filled("{\"a\":[", |_| "{}".into(), "]}")),
        ("members", filled("{", |n| format!("\"{}\":1", name(n)), "}")),
        // Written so that they must be sorted, below the top.
        ("shuffled", filled("{\"a\":{", |n| format!("\"{:x}\":1", 0x1_ffff - n), "}}")),
        ("numbers", filled("{\"a\":[", |_| "1e20".into(), "]}")),
        ("deep", filled("{\"a\":[", |_| "[[[[[[[[]]]]]]]]".into(), "]}")),
    ];
    let array = filled("[", |_| "{\"\":1}".into(), "]");
    let elements = array.matches('{').count();
    let before = status("VmRSS:");
    for (what, text) in &texts {
        let bytes = text.as_bytes();
        let took = [
            peak(|| drop(check_canonical(bytes, Limits::EVENT))),
            peak(|| drop(canonicalize(bytes, Limits::EVENT))),
            peak(|| drop(CanonicalObject::parse(bytes, Limits::EVENT))),
            peak(|| drop(PreparedEvent::prepare(bytes, Numbers::Exact))),
            peak(|| drop(PreparedEvent::prepare(bytes, Numbers::Text))),
            peak(|| drop(Value::parse(bytes, Limits::EVENT))),
        ];
        let took = took.map(|peak| peak.saturating_sub(before));
        eprintln!("{what}: {took:?} KiB");
        assert!(took.iter().all(|took| *took <= READING_KIB_MAX), "{what}: {took:?} KiB");
    }
    let took = peak(|| {
        let read = canonicalize_array(array.as_bytes(), Limits::EVENT, elements, Numbers::Exact);
        assert_eq!(read.unwrap().len(), elements);
    });
    let each = (took.saturating_sub(before) << 10) / elements;
    eprintln!("array of {elements} objects: {each} bytes each");
    assert!(each <= ELEMENT_BYTES_MAX, "{each} bytes for each of {elements} objects");
}
