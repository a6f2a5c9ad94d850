//! Records that another key signed than the one that the ledger's signer has now.

use std::sync::Arc;

use indelible_core::key::HmacKey;
use indelible_core::name::{LedgerName, ServerName};
use indelible_core::system::SignPer;
use indelible_ledger::store::memory::MemoryDisk;
use indelible_ledger::{Direction, Engine, EngineConfig, LocalEd25519, Signer};

use super::*;

fn key(seed: u8) -> LocalEd25519 {
    LocalEd25519::from_seed([seed; 32]).unwrap()
}

/// Record 0 of a ledger, signed with the key of seed 8.
fn record_0() -> (LedgerInfo, StoredRecord) {
    let home = tempfile::tempdir().unwrap();
    let config = EngineConfig::new(home.path().join("data"), ServerName::new("localhost").unwrap());
    let opener = Box::new(MemoryDisk::new().opener());
    let engine = Engine::open_with_store(config, Arc::new(key(8)), opener).unwrap();
    let name = LedgerName::new("payments").unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let info = runtime.block_on(engine.create_ledger(name.clone(), SignPer::Record)).unwrap();
    let records = engine.range(&name, Seq::ZERO, Direction::Forward, 1, 1 << 20).unwrap();
    (info, records.into_iter().next().unwrap())
}

fn pack(info: &LedgerInfo, own: RecordKey, record: &StoredRecord) -> Result<Packed, PackError> {
    let own = OwnKey::new(own);
    let mut packer = Packer::new(Seq::ZERO, None, info, &own, tempfile::tempfile().unwrap())?;
    packer.push(record)?;
    packer.finish(Seq::ZERO)
}

#[test]
fn a_record_of_another_key_that_its_id_spells_is_packed() {
    let (info, record) = record_0();
    let packed = pack(&info, key(7).record_key(), &record).unwrap();
    assert_eq!(packed.keys, BTreeSet::from([key(8).record_key().key_id()]));
}

#[test]
fn a_wrong_signature_is_damage_whosever_key_it_names() {
    let (info, mut record) = record_0();
    let digest = Digest([7; 32]);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let request = indelible_ledger::SignRequest::Digest(&digest);
    let other = runtime.block_on(key(8).sign(&[request])).unwrap().remove(0);
    record.signature.as_mut().unwrap().signature = other;
    for own in [7, 8] {
        let error = pack(&info, key(own).record_key(), &record).map(drop).unwrap_err();
        assert!(matches!(error, PackError::Damaged { .. }), "{error}");
    }
}

#[test]
fn a_record_whose_key_cannot_be_had_is_not_packed_and_not_called_damaged() {
    let (info, mut record) = record_0();
    let secret = HmacKey::new(&[9; 32]).unwrap();
    record.signature = Some(RecordSignature {
        key_id: secret.key_id().clone(),
        signature: Signature::HmacSha256(secret.sign(&record.digest)),
    });
    pack(&info, RecordKey::HmacSha256(secret.clone()), &record).unwrap();
    let error = pack(&info, key(7).record_key(), &record).map(drop).unwrap_err();
    let PackError::Uncheckable { seq, key_id, .. } = &error else { panic!("{error:?}") };
    assert_eq!((*seq, key_id), (Seq::ZERO, secret.key_id()));
    assert!(error.to_string().contains("cannot be checked here"), "{error}");
    assert!(!error.to_string().contains("damaged"), "{error}");
}
