//! A line has one spelling, and around a good record it is canonical JSON that says the same.

use indelible_core::json::{Limits, check_canonical};
use indelible_core::key::{KeyId, RecordSignature};
use indelible_core::record::RecordView;
use indelible_core::segment::{FileName, Line, push_line};

/// One run.
pub fn run(data: &[u8]) {
    if let Some(name) = core::str::from_utf8(data).ok().and_then(FileName::parse) {
        assert_eq!(name.to_string().as_bytes(), data, "a file name written otherwise");
    }
    let Ok(line) = Line::parse(data) else { return };
    let signature = line.signature.map(|(kid, signature)| RecordSignature {
        key_id: KeyId::new(kid).expect("the line's reader has seen the key id"),
        signature,
    });
    if line.certificates.is_some() {
        // It was read as JSON, and is not written here.
        let members = check_canonical(data, Limits::DOCUMENT).expect("certificates in no JSON");
        assert_eq!(members.get("record"), Some(line.record), "another record");
        assert_eq!(members.get("certificates"), line.certificates, "other certificates");
        assert_eq!(members.len(), if signature.is_some() { 6 } else { 3 });
        return;
    }
    let mut again = Vec::new();
    push_line(&mut again, line.record, &line.digest, signature.as_ref());
    assert_eq!(again.strip_suffix(b"\n"), Some(data), "written otherwise");
    if RecordView::parse(line.record).is_ok() {
        let members =
            check_canonical(data, Limits::DOCUMENT).expect("a line that is not canonical");
        assert_eq!(members.get("record"), Some(line.record), "another record");
        assert_eq!(members.len(), if signature.is_some() { 5 } else { 2 });
    }
}
