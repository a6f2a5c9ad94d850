//! Every row against golden vectors that other code made from `docs/STORAGE.md`, against its own
//! inverse, and against damage.

use std::collections::HashMap;

use indelible_core::encoding::hex;
use indelible_core::hash::{Digest, LeafHash, NodeHash};
use indelible_core::json::Numbers;
use indelible_core::name::{EventId, LedgerName, Seq, ServerName};
use indelible_core::record::PreparedEvent;
use indelible_core::time::Timestamp;
use indelible_ledger::folder::HeadFile;
use indelible_ledger::rows::block::{
    BLOCK_BYTES_TARGET, BLOCK_KEYS_MAX, Block, BlockBuilder, BlockError, BlockPlace, BlockRows,
};
use indelible_ledger::rows::head::HeadRow;
use indelible_ledger::rows::id::{ContentHash, IdHash};
use indelible_ledger::rows::index::IndexRow;
use indelible_ledger::rows::ledger::LedgerRow;
use indelible_ledger::rows::meta::{IdentityRow, StateRow};
use indelible_ledger::rows::tile::TileRow;
use indelible_ledger::rows::{
    CommitNumber, LedgerNumber, block, commit, dropped, head, id, index, ledger, node, tile,
};
use proptest::prelude::*;

const VECTORS: &str = include_str!("vectors/rows.txt");
const HEAD: &str = include_str!("vectors/head.txt");
const MICROS: u64 = 1_795_238_040_123_456;

fn unhex(text: &str) -> Vec<u8> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    text.as_bytes().chunks(2).map(byte).collect()
}

fn vectors() -> HashMap<&'static str, (Vec<u8>, Vec<u8>)> {
    let lines = VECTORS.lines().filter(|line| !line.starts_with('#'));
    let vectors: HashMap<_, _> = lines
        .map(|line| {
            let [name, key, value] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            (name, (unhex(key), unhex(value)))
        })
        .collect();
    assert_eq!(vectors.len(), 14);
    vectors
}

/// The vectors' script takes its hashes from SHA-256 of short words; what they are is beside the point.
fn word(text: &str) -> [u8; 32] {
    use aws_lc_rs::digest::{SHA256, digest};
    digest(&SHA256, text.as_bytes()).as_ref().try_into().unwrap()
}

fn time() -> Timestamp {
    Timestamp::from_micros(MICROS).unwrap()
}

#[test]
fn fixed_rows_keep_their_bytes() {
    let vectors = vectors();
    let check = |name: &str, key: &[u8], value: &[u8]| {
        let (golden_key, golden_value) = &vectors[name];
        assert_eq!(hex(key), hex(golden_key), "key of {name}");
        assert_eq!(hex(value), hex(golden_value), "value of {name}");
    };
    let two = LedgerNumber(2);
    let seq = |n| Seq::new(n).unwrap();
    let place = BlockPlace { commit: CommitNumber(258), ordinal: 7 };
    let row = IndexRow { place, count: 3, first_time: time() };
    check("i", &index::key(two, seq(41)), &row.encode());
    assert_eq!(IndexRow::decode(&vectors["i"].1), Ok(row));
    assert_eq!(index::parse_key(&vectors["i"].0), Ok((two, seq(41))));

    let event = EventId::new("Bestellung 17 / é").unwrap();
    let prepared = PreparedEvent::prepare(br#"{"n":12345678901234567890}"#, Numbers::Text).unwrap();
    let row = id::IdRow { seq: seq(42), content: ContentHash::of_event(&prepared) };
    check("d", &id::key(two, IdHash::of(&event)), &row.encode());
    assert_eq!(id::IdRow::decode(&vectors["d"].1), Ok(row));
    assert_eq!(id::parse_key(&vectors["d"].0), Ok((two, IdHash::of(&event))));
    let row = id::IdRow { seq: seq(43), content: ContentHash::of_system(br#"{"kind":"x"}"#) };
    let event = EventId::new("indelible-key-1").unwrap();
    check("d_system", &id::key(two, IdHash::of(&event)), &row.encode());

    check("m_dropped", &dropped::key(two, seq(41)), &dropped::encode(seq(44)));
    assert_eq!(dropped::parse_key(&vectors["m_dropped"].0), Ok((two, seq(41))));
    assert_eq!(dropped::decode(&vectors["m_dropped"].1), Ok(seq(44)));

    let leaves: Vec<_> = (0..256).map(|n| LeafHash(word(&format!("leaf{n}")))).collect();
    check("t", &tile::key(two, 9), &tile::encode(&leaves).unwrap());
    let stored = TileRow::decode(&vectors["t"].1).unwrap();
    assert!(stored.leaves().eq(leaves.iter().copied()));
    assert_eq!((stored.leaf(255), stored.leaf(256)), (Some(leaves[255]), None));
    assert_eq!(tile::parse_key(&vectors["t"].0), Ok((two, 9)));
    assert!(tile::encode(&leaves[1..]).is_err());

    let hash = NodeHash(word("node"));
    check("n", &node::key(two, 16, 3), &node::encode(&hash));
    assert_eq!(node::decode(&vectors["n"].1), Ok(hash));
    assert_eq!(node::parse_key(&vectors["n"].0), Ok((two, 16, 3)));

    let digest = Digest(word("engine"));
    check("c", &commit::key(CommitNumber(258)), &commit::encode(&digest));
    assert_eq!(commit::decode(&vectors["c"].1), Ok(digest));
    assert_eq!(commit::parse_key(&vectors["c"].0), Ok(CommitNumber(258)));
}

#[test]
fn rows_with_a_version_keep_their_bytes() {
    let vectors = vectors();
    let digest = Digest(word("engine"));
    let identity = IdentityRow {
        engine_id: std::array::from_fn(|n| n as u8),
        created: time(),
        server_name: ServerName::new("ledger.example:8080").unwrap(),
    };
    assert_eq!(vectors["m_identity"], (IdentityRow::KEY.to_vec(), identity.encode()));
    assert_eq!(IdentityRow::decode(&vectors["m_identity"].1), Ok(identity));

    let state = StateRow { commit: CommitNumber(258), digest, ledgers: 3, records: 70_000 };
    assert_eq!(vectors["m_state"], (StateRow::KEY.to_vec(), state.encode()));
    assert_eq!(StateRow::decode(&vectors["m_state"].1), Ok(state));

    let name = LedgerName::new("orders.eu-1").unwrap();
    let creation = br#"{"keys":[],"kind":"ledger_created","max_unsigned":65536,"origin":"a/orders.eu-1","sign_per":"record"}"#;
    let row = LedgerRow { number: LedgerNumber(2), created: time(), creation: creation.to_vec() };
    assert_eq!(vectors["l"], (ledger::key(&name).to_vec(), row.encode()));
    assert_eq!(LedgerRow::decode(&vectors["l"].1), Ok(row));
    assert_eq!(ledger::parse_key(&vectors["l"].0), Ok(name));

    let row = HeadRow {
        size: 5,
        commit: CommitNumber(258),
        last_digest: Digest(word("last")),
        last_time: time(),
        frontier: vec![NodeHash(word("f0")), NodeHash(word("f1"))],
        note: "a/orders\n5\nAAAA=\n\n\u{2014} a/orders c2ln\n".into(),
    };
    assert_eq!(vectors["h"], (head::key(LedgerNumber(2)).to_vec(), row.encode()));
    assert_eq!(HeadRow::decode(&vectors["h"].1), Ok(row));
    assert_eq!(head::parse_key(&vectors["h"].0), Ok(LedgerNumber(2)));

    let file = HeadFile { commit: CommitNumber(258), digest };
    assert_eq!(file.to_slot(), HEAD.as_bytes());
    let mut bytes = vec![0; 3 * 4096];
    bytes[4096..][..HEAD.len()].copy_from_slice(HEAD.as_bytes());
    assert_eq!(HeadFile::parse(&bytes), Ok(file));
}

#[test]
fn blocks_keep_their_bytes() {
    let vectors = vectors();
    let records: [&[u8]; 3] = [br#"{"a":1}"#, br#"{"b":[2,3]}"#, br#"{"c":"x"}"#];
    let [first, second] = ["ab", "cd"].map(|byte| format!("ed25519:{}", byte.repeat(32)));
    let digest = |n| Digest(word(&format!("digest{n}")));

    let later = Timestamp::from_micros(MICROS + 70_000).unwrap();
    let times = [time(), time(), later];
    let prev = Some(Digest(word("prev")));
    let mut builder = BlockBuilder::new(LedgerNumber(2), Seq::new(41).unwrap(), prev, time());
    for (n, record) in records.iter().enumerate() {
        assert_eq!(builder.append(record, digest(n), times[n]), n);
        assert_eq!(builder.record(n), Some(*record));
    }
    builder.sign(0, &first, &[1; 64]).unwrap();
    builder.sign(2, &second, &[2; 64]).unwrap();
    let place = BlockPlace { commit: CommitNumber(258), ordinal: 7 };
    let rows = builder.finish().unwrap();
    assert_eq!((hex(&block::key(place)), hex(&rows.tables)), {
        let (key, value) = &vectors["b_signed"];
        (hex(key), hex(value))
    });
    let bodies_key = block::bodies_key(LedgerNumber(2), Seq::new(41).unwrap());
    assert_eq!(vectors["r"], (bodies_key.to_vec(), rows.bodies));
    assert_eq!(block::parse_bodies_key(&bodies_key), Ok((LedgerNumber(2), Seq::new(41).unwrap())));
    assert_eq!(block::parse_key(&vectors["b_signed"].0), Ok(place));

    let stored = Block::decode(&vectors["b_signed"].1).unwrap();
    assert_eq!((stored.ledger(), stored.first_seq().get(), stored.len()), (LedgerNumber(2), 41, 3));
    let last = stored.find(Seq::new(43).unwrap()).unwrap();
    let bodies = &vectors["r"].1;
    stored.check_bodies(bodies).unwrap();
    stored.check_bodies(&bodies[1..]).unwrap_err();
    assert_eq!(last.bytes_in(bodies), records[2]);
    assert_eq!((last.time, last.digest, last.prev), (later, digest(2), Some(digest(1))));
    assert!(stored.times().eq(times));
    assert_eq!((stored.first_time(), stored.last_time()), (time(), later));
    let signature = last.signature.unwrap();
    assert_eq!((signature.key_id, signature.bytes), (&*second, &[2; 64][..]));
    assert_eq!(stored.record(1).unwrap().signature, None);
    assert_eq!(stored.record(0).unwrap().prev, Some(Digest(word("prev"))));
    assert!(stored.record(3).is_none());
    assert!(stored.find(Seq::new(40).unwrap()).is_none());
    assert!(stored.key_ids().eq([&*first, &*second]));

    let mut builder = BlockBuilder::new(LedgerNumber(1), Seq::ZERO, None, time());
    builder.append(records[0], digest(0), time());
    builder.sign(0, &first, &[3; 64]).unwrap();
    assert_eq!(hex(&builder.finish().unwrap().tables), hex(&vectors["b_first"].1));
    assert_eq!(Block::decode(&vectors["b_first"].1).unwrap().record(0).unwrap().prev, None);
}

#[test]
fn a_builder_refuses_what_a_reader_could_not_read() {
    let zero = Digest([0; 32]);
    let start = || BlockBuilder::new(LedgerNumber(1), Seq::new(5).unwrap(), Some(zero), time());
    assert_eq!(start().finish(), Err(BlockError::Empty));
    let mut builder = start();
    builder.append(b"", zero, time());
    assert_eq!(builder.finish(), Err(BlockError::EmptyRecord));
    let mut builder = BlockBuilder::new(LedgerNumber(1), Seq::new(5).unwrap(), None, time());
    builder.append(b"x", zero, time());
    assert_eq!(builder.finish(), Err(BlockError::PreviousDigest));
    let mut builder = start();
    assert_eq!(builder.sign(0, "k", b"s"), Err(BlockError::NoSuchRecord(0)));
    builder.append(b"x", zero, time());
    assert_eq!(builder.sign(0, "", b"s"), Err(BlockError::BadSignature));
    assert_eq!(builder.sign(0, "k", b""), Err(BlockError::BadSignature));
    assert_eq!(builder.sign(0, &"k".repeat(256), b"s"), Err(BlockError::BadSignature));
    builder.sign(0, "k", b"s").unwrap();
    assert_eq!(builder.sign(0, "k", b"longer"), Err(BlockError::BadSignature));
    for n in 1..=BLOCK_KEYS_MAX {
        builder.append(b"x", zero, time());
        let result = builder.sign(n, &format!("key {n}"), b"s");
        assert_eq!(result.is_ok(), n < BLOCK_KEYS_MAX, "key {n}");
    }
    let failed: Result<usize, &str> = builder.append_with(time(), |out| {
        out.extend_from_slice(b"half of a rec");
        Err("no")
    });
    assert_eq!(failed, Err("no"));
    assert_eq!(Block::decode(&builder.finish().unwrap().tables).unwrap().len(), 1 + BLOCK_KEYS_MAX);
    for (micros, takes) in [
        (MICROS - 1, false),
        (MICROS, true),
        (MICROS + u64::from(u32::MAX), true),
        (MICROS + u64::from(u32::MAX) + 1, false),
    ] {
        let other = Timestamp::from_micros(micros).unwrap();
        let mut builder = start();
        assert_eq!(builder.takes(other), takes);
        builder.append(b"x", zero, time());
        builder.append(b"y", zero, other);
        match builder.finish() {
            Ok(rows) => assert_eq!(Block::decode(&rows.tables).unwrap().last_time(), other),
            Err(error) => assert_eq!((error, takes), (BlockError::Time, false)),
        }
    }
}

#[test]
fn a_block_is_full_at_its_target_and_takes_a_record_of_a_megabyte() {
    let mut builder = BlockBuilder::new(LedgerNumber(1), Seq::ZERO, None, time());
    while !builder.is_full() {
        builder.append(&[b'x'; 700], Digest([1; 32]), time());
    }
    assert!((BLOCK_BYTES_TARGET..BLOCK_BYTES_TARGET + 700).contains(&builder.record_bytes()));
    let large = vec![b'y'; 1 << 20];
    let index = builder.append(&large, Digest([2; 32]), time());
    let rows = builder.finish().unwrap();
    let block = Block::decode(&rows.tables).unwrap();
    assert!(block.record(index).unwrap().bytes_in(&rows.bodies) == large);
}

/// Takes everything out of a value that any decoder lets out: none may panic.
fn touch(value: &[u8]) {
    if let Ok(block) = Block::decode(value) {
        assert_eq!(block.records().count(), block.len());
        assert_eq!(block.digests().len(), block.len());
        for index in 0..=block.len() {
            assert_eq!(block.record(index).is_some(), index < block.len());
        }
        let _ = block.find(Seq::ZERO);
        assert_eq!(block.times().len(), block.len());
        assert!(block.first_time() <= block.last_time());
        let ends = block.records().last().map(|record| record.place.end);
        assert_eq!(ends, Some(block.body_bytes()));
    }
    let _ = HeadRow::decode(value).map(|row| assert_eq!(row.encode(), value));
    let _ = LedgerRow::decode(value).map(|row| assert_eq!(row.encode(), value));
    let _ = StateRow::decode(value).map(|row| assert_eq!(row.encode(), value));
    let _ = IdentityRow::decode(value).map(|row| assert_eq!(row.encode(), value));
    let _ = IndexRow::decode(value).map(|row| assert_eq!(row.encode()[..], *value));
    let _ = id::IdRow::decode(value).map(|row| assert_eq!(row.encode()[..], *value));
    let _ = dropped::decode(value).map(|end| assert_eq!(dropped::encode(end)[..], *value));
    let _ = (dropped::parse_key(value), block::parse_bodies_key(value));
    let _ = TileRow::decode(value).map(|row| assert_eq!(row.leaves().len(), 256));
    let _ = node::decode(value);
    let _ = commit::decode(value);
    let _ =
        HeadFile::parse(value).map(|head| assert_eq!(HeadFile::parse(&head.to_file()), Ok(head)));
    let _ = (block::parse_key(value), commit::parse_key(value), head::parse_key(value));
    let _ = (id::parse_key(value), index::parse_key(value), ledger::parse_key(value));
    let _ = (node::parse_key(value), tile::parse_key(value));
}

#[test]
fn no_single_damaged_byte_or_cut_end_makes_a_decoder_panic() {
    for (name, (_, mut value)) in vectors() {
        for end in 0..value.len() {
            touch(&value[..end]);
        }
        for place in 0..value.len().min(600) {
            let good = value[place];
            for bad in [0, 1, 0x7f, 0x80, 0xff, good ^ 1, good.wrapping_add(1)] {
                value[place] = bad;
                touch(&value);
            }
            value[place] = good;
        }
        value.push(0);
        touch(&value);
        let refused = match name {
            // What stands at the end of these is of any length.
            "l" | "h" | "r" => true,
            _ => [
                Block::decode(&value).is_err(),
                StateRow::decode(&value).is_err(),
                IdentityRow::decode(&value).is_err(),
                IndexRow::decode(&value).is_err(),
                TileRow::decode(&value).is_err(),
                node::decode(&value).is_err(),
                id::IdRow::decode(&value).is_err(),
                dropped::decode(&value).is_err(),
            ]
            .iter()
            .all(|refused| *refused),
        };
        assert!(refused, "{name} with a byte too many");
    }
}

#[derive(Debug, Clone)]
struct Plan {
    first_seq: u64,
    /// Length of the record, and which of three keys signs it, if any.
    records: Vec<(usize, Option<u8>)>,
}

fn plans() -> impl Strategy<Value = Plan> {
    let record = (1usize..300, proptest::option::of(0u8..3));
    (0u64..1000, proptest::collection::vec(record, 1..40))
        .prop_map(|(first_seq, records)| Plan { first_seq, records })
}

/// The rows of a plan. Signatures come in reverse, as a signer may answer in any order.
fn build(plan: &Plan) -> BlockRows {
    let at = |n| Timestamp::from_micros(MICROS + n as u64 / 3).unwrap();
    let prev = (plan.first_seq > 0).then_some(Digest([9; 32]));
    let mut builder =
        BlockBuilder::new(LedgerNumber(3), Seq::new(plan.first_seq).unwrap(), prev, time());
    for (n, (length, _)) in plan.records.iter().enumerate() {
        let sealed: Result<usize, ()> = builder.append_with(at(n), |out| {
            out.resize(out.len() + length, n as u8);
            Ok(Digest([n as u8; 32]))
        });
        assert_eq!(sealed, Ok(n));
    }
    for (n, (_, key)) in plan.records.iter().enumerate().rev() {
        if let Some(key) = key {
            let signature = vec![n as u8; 64 + usize::from(*key) * 10];
            builder.sign(n, &format!("key {key}"), &signature).unwrap();
        }
    }
    builder.finish().unwrap()
}

proptest! {
    #[test]
    fn a_block_gives_back_every_record(plan in plans()) {
        let rows = build(&plan);
        let block = Block::decode(&rows.tables).unwrap();
        prop_assert_eq!(block.check_bodies(&rows.bodies), Ok(()));
        prop_assert_eq!(block.len(), plan.records.len());
        let mut prev = block.prev();
        for (n, (record, (length, key))) in block.records().zip(&plan.records).enumerate() {
            prop_assert_eq!(record.bytes_in(&rows.bodies), &vec![n as u8; *length][..]);
            prop_assert_eq!(record.time.micros(), MICROS + n as u64 / 3);
            prop_assert_eq!(record.seq.get(), plan.first_seq + n as u64);
            prop_assert_eq!(record.digest, Digest([n as u8; 32]));
            prop_assert_eq!(record.prev, prev);
            prev = Some(record.digest);
            let expected = key.map(|key| {
                (format!("key {key}"), vec![n as u8; 64 + usize::from(key) * 10])
            });
            let found = record.signature.map(|s| (s.key_id.to_owned(), s.bytes.to_vec()));
            prop_assert_eq!(found, expected);
            prop_assert_eq!(block.record(n), Some(record));
        }
    }

    #[test]
    fn damaged_blocks_are_read_or_refused_but_never_panic(
        plan in plans(),
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut value = build(&plan).tables;
        for (place, byte) in damage {
            let place = place.index(value.len());
            // Most bytes are digests and signatures, where anything goes; aim at the end half of the time.
            let place = if byte & 1 == 0 { place } else { value.len() - 1 - place % value.len().min(120) };
            value[place] = byte;
        }
        if let Some(cut) = cut {
            value.truncate(cut.index(value.len()));
        }
        touch(&value);
    }

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        touch(&bytes);
        let mut versioned = bytes;
        if let Some(first) = versioned.first_mut() {
            *first = 1;
        }
        touch(&versioned);
    }
}
