//! A record that is read is made of exactly the parts that sealing them again gives back.

use indelible_core::chain::record_digest;
use indelible_core::hash::Digest;
use indelible_core::json::names_numbers_as_text;
use indelible_core::name::{EventId, LedgerName};
use indelible_core::record::{Body, Place, PreparedEvent, RecordView, seal_system};
use indelible_core::system::System;

/// One run.
pub fn run(data: &[u8]) {
    let Ok(view) = RecordView::parse(data) else { return };
    let id = EventId::new(&view.id).expect("a valid id");
    let ledger = LedgerName::new(view.ledger).expect("a valid ledger name");
    let place = Place { ledger: &ledger, id: &id, seq: view.seq, time: view.time };
    let prev = Digest([0x5a; 32]);
    let mut sealed = Vec::new();
    let digest = match view.body {
        Body::Event(event) => {
            if let Some(list) = view.numbers_as_text {
                assert!(names_numbers_as_text(list, event), "a list of nothing");
                return;
            }
            let event = PreparedEvent::new(event).expect("a valid event");
            assert!(event.is_of(&view));
            let event = match &view.by {
                Some(by) => event.written_by(by).expect("who wrote it is of its form"),
                None => event,
            };
            event.seal(&place, Some(&prev), &mut sealed)
        }
        Body::System(system) => {
            if let Some(again) = System::parse(system).ok().and_then(|read| read.to_canonical()) {
                assert_eq!(again, system, "a known system object has one form");
            }
            seal_system(system, &place, Some(&prev), &mut sealed).expect("a valid system object")
        }
    };
    assert_eq!(sealed, data, "sealed otherwise");
    assert_eq!(digest, record_digest(data, Some(&prev)));
}
