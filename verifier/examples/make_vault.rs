//! Makes a large vault for measuring the verifier: `make_vault DIR EVENTS record|commit [EVENT_BYTES]`.
//! Prints the vkey to check it with. The key is a constant: such a vault proves nothing.

#[path = "../tests/support/mod.rs"]
mod support;

use std::path::PathBuf;

use indelible_core::limits::SEGMENT_RECORDS_MAX;
use indelible_core::system::SignPer;
use support::{Ledger, Plan, SERVER};

/// Events in a commit, where signatures are per commit.
const COMMIT: u64 = 256;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let usage = "make_vault DIR EVENTS record|commit [EVENT_BYTES]";
    let folder = PathBuf::from(arguments.next().expect(usage));
    let events: u64 = arguments.next().and_then(|text| text.parse().ok()).expect(usage);
    let sign_per: SignPer = arguments.next().and_then(|text| text.parse().ok()).expect(usage);
    let event_bytes = arguments.next().map_or(512, |text| text.parse().expect(usage));
    let plan = Plan { sign_per, commit: COMMIT, event_bytes, ..Plan::new("bench") };
    let vkey = plan.signer.vkey(SERVER);
    let mut ledger = Ledger::new(plan);
    ledger.create();
    let mut left = events;
    while left > 0 {
        let room = SEGMENT_RECORDS_MAX - ledger.records.len() as u64;
        let now = left.min(room);
        ledger.grow(now);
        left -= now;
        ledger.seal(&folder, ledger.records.len());
    }
    println!("{vkey}");
}
