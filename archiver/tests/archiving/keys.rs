//! Records signed with one key and notes with another, from the engine to the auditor.

use std::sync::Arc;

use async_trait::async_trait;
use indelible_archiver::{ArchiveError, Archiver, Seal, Silent, Summary};
use indelible_core::key::{HmacKey, NamedHmacKey, PublicKey, RecordKey, Signature, Trust, VKey};
use indelible_core::name::ServerName;
use indelible_core::system::SignPer;
use indelible_ledger::store::memory::MemoryDisk;
use indelible_ledger::{
    Engine, EngineConfig, LedgerSettings, LocalEd25519, SignError, SignRequest, Signer, SignerName,
    Signers,
};
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

/// Beside the signer that creates ledgers without a signer's name, whose keys fit nothing here.
#[test]
fn a_ledger_of_a_further_signer_is_archived_with_that_signers_keys() {
    let further = TwoKeys { record: Records::Hmac(secret()), note: local(7) };
    let other = SignerName::new("other").unwrap();
    let signers = Signers::new(Arc::new(local(3))).with(other.clone(), Arc::new(further)).unwrap();
    let (home, disk) = (tempfile::tempdir().unwrap(), MemoryDisk::new());
    let config = EngineConfig::new(home.path().join("data"), ServerName::new(SERVER).unwrap());
    let engine = Engine::open_with(config, signers, Some(Box::new(disk.opener()))).unwrap();
    let settings = LedgerSettings { signer: Some(other), ..SignPer::Record.into() };
    wait(engine.create_ledger(name(LEDGER), settings)).unwrap();
    append(&engine, LEDGER, 99, 200);
    let world = World { home, disk, engine };
    // Twice, so that the second run opens the manifests of the first, and many segments.
    world.archive(Seal::Now).unwrap();
    world.append(60);
    assert!(world.archive(Seal::Now).unwrap().segments > 0);
    let mut trust = Trust::from_iter([notes()]);
    trust.add_secret(NamedHmacKey::new(SERVER, secret()).unwrap());
    let report = verify(&world, trust);
    assert_eq!(report.verdict(), Verdict::Good, "{:?}", report.findings);
}

#[test]
fn without_the_ledgers_signer_nothing_is_written_and_it_is_said_why() {
    for (record, key_id) in [
        (Records::Ed25519(Box::new(local(8))), local(8).record_key().key_id()),
        (Records::Hmac(secret()), secret().key_id().clone()),
    ] {
        let world = with_the_notes_key_alone(&world(record, SignPer::Record));
        let error = archive(&world).unwrap_err();
        let ArchiveError::NoSigner { ledger, keys } = &error else { panic!("{error:?}") };
        assert_eq!((ledger.as_str(), keys.as_slice()), (LEDGER, &[key_id][..]));
        assert!(error.to_string().contains("signing.keys"), "{error}");
        assert!(!world.folder().exists(), "nothing was written");
    }
}
