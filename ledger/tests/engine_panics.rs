//! A panic in a thread of the engine is a defect, but it must not look like health: nobody may wait for
//! ever, nothing more may be taken, and what was acknowledged must be there at the next start.

mod engine_support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use engine_support::*;
use indelible_core::key::{PublicKey, RecordKey, Signature};
use indelible_core::system::SignPer;
use indelible_ledger::{
    AppendError, Atomicity, Health, LocalEd25519, SignError, SignRequest, Signer,
};

/// A signer with a defect that can be switched on.
struct Defective {
    within: LocalEd25519,
    panics: AtomicBool,
}

#[async_trait]
impl Signer for Defective {
    fn record_key(&self) -> RecordKey {
        self.within.record_key()
    }

    fn note_key(&self) -> PublicKey {
        self.within.note_key()
    }

    fn in_process(&self) -> bool {
        false
    }

    async fn sign(&self, messages: &[SignRequest<'_>]) -> Result<Vec<Signature>, SignError> {
        assert!(!self.panics.load(Ordering::SeqCst), "a defect that a test switched on");
        self.within.sign(messages).await
    }
}

#[test]
fn after_a_panic_nobody_waits_nothing_is_taken_and_the_next_start_finds_everything() {
    let place = Place::new();
    let signer = Arc::new(Defective { within: signer(), panics: AtomicBool::new(false) });
    let engine = place.open_with(Arc::clone(&signer) as Arc<dyn Signer>).unwrap();
    create(&engine, "a", SignPer::Record);
    let kept = append_one(&engine, "a", with_id("kept", 1)).unwrap();
    signer.panics.store(true, Ordering::SeqCst);
    let waiting: Vec<_> = (0..50)
        .filter_map(|n| engine.submit(&name("a"), vec![without_id(n)], Atomicity::Each).ok())
        .collect();
    assert!(!waiting.is_empty());
    for one in waiting {
        let error = one.wait().unwrap_err();
        assert!(matches!(error, AppendError::OutcomeUnknown { .. }), "{error}");
    }
    // The waiters hear of it while the thread still unwinds, a moment before the health does.
    let until = Instant::now() + Duration::from_secs(10);
    while engine.health() == Health::Ready && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(1));
    }
    let Health::Poisoned { reason } = engine.health() else { panic!("{:?}", engine.health()) };
    assert!(reason.contains("indelible-sign") && reason.contains("restart"), "{reason}");
    assert!(engine.submit(&name("a"), vec![without_id(1)], Atomicity::Each).is_err());
    run(engine.close());

    let engine = place.open();
    assert_eq!(engine.ledger(&name("a")).unwrap().size, 2);
    assert_eq!(engine.get(&name("a"), kept.seq).unwrap().unwrap().digest, kept.digest);
    append_one(&engine, "a", with_id("later", 2)).unwrap();
}
