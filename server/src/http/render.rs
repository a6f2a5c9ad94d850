//! Engine values as JSON: written by hand into one buffer, members in canonical order.

use indelible_core::encoding::{push_base64, push_hex};
use indelible_core::hash::NodeHash;
use indelible_core::json::{push_string, push_u64};
use indelible_ledger::{Accepted, LedgerInfo};

/// Bytes that one result takes at most when the id was made by the server; for reserving.
pub(super) const RESULT_BYTES: usize = 320;

/// One appended event, short: `{"digest","duplicate"?,"id","line"?,"seq","sig"?,"time"}`.
pub(super) fn push_result(out: &mut Vec<u8>, accepted: &Accepted, line: Option<u64>) {
    out.extend_from_slice(b"{\"digest\":\"");
    push_hex(out, accepted.digest.as_bytes());
    out.push(b'"');
    if accepted.duplicate {
        out.extend_from_slice(b",\"duplicate\":true");
    }
    out.extend_from_slice(b",\"id\":");
    push_string(out, &accepted.id);
    if let Some(line) = line {
        out.extend_from_slice(b",\"line\":");
        push_u64(out, line);
    }
    out.extend_from_slice(b",\"seq\":");
    push_u64(out, accepted.seq.get());
    if let Some(signature) = &accepted.signature {
        out.extend_from_slice(b",\"sig\":\"");
        push_base64(out, signature.signature.as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(b",\"time\":\"");
    out.extend_from_slice(&accepted.time.to_text());
    out.extend_from_slice(b"\"}");
}

/// A ledger: `{"created","digest","name","numbers","origin","principals","root","sign_per","size","time"}`.
pub(super) fn push_ledger(out: &mut Vec<u8>, ledger: &LedgerInfo) {
    out.extend_from_slice(b"{\"created\":\"");
    out.extend_from_slice(&ledger.created.to_text());
    out.extend_from_slice(b"\",\"digest\":\"");
    push_hex(out, ledger.last_digest.as_bytes());
    out.extend_from_slice(b"\",\"name\":");
    push_string(out, &ledger.name);
    out.extend_from_slice(b",\"numbers\":\"");
    out.extend_from_slice(ledger.numbers.as_str().as_bytes());
    out.extend_from_slice(b"\",\"origin\":");
    push_string(out, &ledger.origin);
    out.extend_from_slice(b",\"principals\":\"");
    out.extend_from_slice(ledger.principals.as_str().as_bytes());
    out.extend_from_slice(b"\",\"root\":\"");
    push_base64(out, ledger.root.as_bytes());
    out.extend_from_slice(b"\",\"sign_per\":\"");
    out.extend_from_slice(ledger.sign_per.as_str().as_bytes());
    out.extend_from_slice(b"\",\"size\":");
    push_u64(out, ledger.size);
    out.extend_from_slice(b",\"time\":\"");
    out.extend_from_slice(&ledger.last_time.to_text());
    out.extend_from_slice(b"\"}");
}

/// Node hashes as a JSON array of base64.
pub(super) fn push_hashes(out: &mut Vec<u8>, hashes: &[NodeHash]) {
    out.push(b'[');
    for (at, hash) in hashes.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_hash(out, hash);
    }
    out.push(b']');
}

/// One node hash as a JSON text of base64.
pub(super) fn push_hash(out: &mut Vec<u8>, hash: &NodeHash) {
    out.push(b'"');
    push_base64(out, hash.as_bytes());
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use indelible_core::hash::Digest;
    use indelible_core::json::{Limits, check_canonical};
    use indelible_core::key::{KeyId, RecordSignature, Signature};
    use indelible_core::name::{EventId, Seq};
    use indelible_core::time::Timestamp;

    use super::*;

    #[test]
    fn results_are_canonical_json_and_short() {
        let mut accepted = Accepted {
            seq: Seq::new(1 << 40).unwrap(),
            id: EventId::new("0198c2e2-0000-7000-8000-000000000000").unwrap(),
            time: Timestamp::from_micros(1_700_000_000_000_000).unwrap(),
            digest: Digest([7; 32]),
            signature: Some(RecordSignature {
                key_id: KeyId::new(&format!("ed25519:{}", "a".repeat(64))).unwrap(),
                signature: Signature([1; 64]),
            }),
            duplicate: true,
        };
        let mut out = Vec::new();
        push_result(&mut out, &accepted, Some(1 << 30));
        check_canonical(&out, Limits::DOCUMENT).unwrap();
        assert!(out.len() <= RESULT_BYTES, "{}", out.len());
        accepted.signature = None;
        accepted.duplicate = false;
        accepted.id = EventId::new("an \"id\"").unwrap();
        out.clear();
        push_result(&mut out, &accepted, None);
        let members = check_canonical(&out, Limits::DOCUMENT).unwrap();
        assert_eq!(members.len(), 4);
    }
}
