//! Records signed with one key and notes with another, from the engine to the auditor.

use std::sync::Arc;

use async_trait::async_trait;
use indelible_archiver::{ArchiveError, Archiver, PackError, Seal, Silent, Summary};
use indelible_core::key::{HmacKey, NamedHmacKey, PublicKey, RecordKey, Signature, Trust, VKey};
use indelible_core::system::SignPer;
use indelible_ledger::store::memory::MemoryDisk;
use indelible_ledger::{LocalEd25519, SignError, SignRequest, Signer};
use indelible_verifier::{Options, Report, Verdict, Verifier};

use crate::common::{LEDGER, SERVER, World, append, name, open_with, wait};

/// Signs records with one key and notes with another.
struct TwoKeys {
    record: Records,
    note: LocalEd25519,
}

enum Records {
    Ed25519(Box<LocalEd25519>),
    Hmac(HmacKey),
}

fn local(seed: u8) -> LocalEd25519 {
    LocalEd25519::from_seed([seed; 32]).unwrap()
}

fn secret() -> HmacKey {
    HmacKey::new(&[9; 32]).unwrap()
}

#[async_trait]
impl Signer for TwoKeys {
    fn record_key(&self) -> RecordKey {
        match &self.record {
            Records::Ed25519(key) => key.record_key(),
            Records::Hmac(key) => key.clone().into(),
        }
    }

    fn note_key(&self) -> PublicKey {
        self.note.note_key()
    }

    /// Not in this process, so that the engine checks every signature.
    fn in_process(&self) -> bool {
        false
    }

    async fn sign(&self, messages: &[SignRequest<'_>]) -> Result<Vec<Signature>, SignError> {
        let mut signatures = Vec::new();
        for message in messages {
            signatures.push(match (message, &self.record) {
                (SignRequest::Digest(digest), Records::Hmac(key)) => {
                    Signature::HmacSha256(key.sign(digest))
                }
                (SignRequest::Digest(_), Records::Ed25519(key)) => {
                    key.sign(&[*message]).await?.remove(0)
                }
                (SignRequest::Note(_), _) => self.note.sign(&[*message]).await?.remove(0),
            });
        }
        Ok(signatures)
    }
}

/// A ledger whose records one key signed; the notes' key is always the same.
fn world(record: Records, sign_per: SignPer) -> World {
    let (home, disk) = (tempfile::tempdir().unwrap(), MemoryDisk::new());
    let engine = open_with(home.path(), &disk, Arc::new(TwoKeys { record, note: local(7) }));
    wait(engine.create_ledger(name(LEDGER), sign_per)).unwrap();
    append(&engine, LEDGER, 99, 200);
    World { home, disk, engine }
}

/// Archives into one segment: what a ledger says of its segments must be signed with its own key.
fn archive(world: &World) -> Result<Summary, ArchiveError> {
    let archiver = Archiver::new(world.engine.clone(), world.home.path().into());
    wait(archiver.archive(&name(LEDGER), &world.vault(), Seal::Now, &Silent))
}

/// The same ledger under a server whose one key is that of the notes.
fn with_the_notes_key_alone(world: &World) -> World {
    let (home, disk) = (tempfile::tempdir().unwrap(), world.disk.copy());
    let engine = open_with(home.path(), &disk, Arc::new(local(7)));
    World { home, disk, engine }
}

fn verify(world: &World, trust: Trust) -> Report {
    let mut verifier = Verifier::new(trust, Options { jobs: 2, ..Options::default() });
    verifier.vault(&world.vault_path());
    verifier.finish()
}

fn notes() -> VKey {
    VKey::new(SERVER, local(7).note_key()).unwrap()
}

#[test]
fn a_ledger_signed_with_a_secret_is_archived_and_verified_by_who_holds_it() {
    for sign_per in [SignPer::Record, SignPer::Commit] {
        let world = world(Records::Hmac(secret()), sign_per);
        world.archive(Seal::Now).unwrap();
        let mut trust = Trust::from_iter([notes()]);
        trust.add_secret(NamedHmacKey::new(SERVER, secret()).unwrap());
        let report = verify(&world, trust);
        assert_eq!(report.verdict(), Verdict::Good, "{:?}", report.findings);
        assert!(report.records() >= 100);
        // Nothing speaks against the records; the key to check them with is missing.
        let without = verify(&world, Trust::from_iter([notes()]));
        assert_eq!(without.verdict(), Verdict::Damaged);
    }
}

#[test]
fn records_of_another_key_that_their_ids_spell_are_shipped() {
    let made = world(Records::Ed25519(Box::new(local(8))), SignPer::Record);
    let world = with_the_notes_key_alone(&made);
    archive(&world).unwrap();
    let records = VKey::new(SERVER, local(8).note_key()).unwrap();
    let report = verify(&world, Trust::from_iter([notes(), records]));
    assert_eq!(report.verdict(), Verdict::Good, "{:?}", report.findings);
    assert_eq!(verify(&world, Trust::from_iter([notes()])).verdict(), Verdict::Damaged);
}

#[test]
fn records_whose_key_cannot_be_had_are_not_shipped_and_not_called_damaged() {
    let made = world(Records::Hmac(secret()), SignPer::Record);
    let world = with_the_notes_key_alone(&made);
    let error = archive(&world).unwrap_err();
    let ArchiveError::Pack(PackError::Uncheckable { seq, key_id, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!((seq.get(), key_id), (0, secret().key_id()));
    assert!(error.to_string().contains("cannot be checked here"), "{error}");
    assert!(!error.to_string().contains("damaged"), "{error}");
}
