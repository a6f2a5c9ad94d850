//! Checks everything that an engine has stored, from the bytes up: nothing is believed that can be
//! computed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::ControlFlow;

use indelible_core::chain::record_digest;
use indelible_core::checkpoint::Checkpoint;
use indelible_core::ed25519;
use indelible_core::hash::{Digest, LeafHash, NodeHash};
use indelible_core::key::{Ed25519Signature, PublicKey};
use indelible_core::limits::TILE_WIDTH;
use indelible_core::merkle::{CompactRange, leaf_hash, node_hash};
use indelible_core::name::{EventId, LedgerName, Seq};
use indelible_core::note::SignedNote;
use indelible_core::record::{Body, RecordView, judge};
use indelible_core::system::{Creation, SignPer};
use indelible_core::time::Timestamp;

use crate::engine::engine_digest;
use crate::rows::block::{self, Block, BlockRecord};
use crate::rows::head::HeadRow;
use crate::rows::id::{ContentHash, IdHash, IdRow};
use crate::rows::index::IndexRow;
use crate::rows::ledger::LedgerRow;
use crate::rows::meta::{IdentityRow, StateRow};
use crate::rows::tile::TileRow;
use crate::rows::{CommitNumber, LedgerNumber, commit, head, id, index, ledger, node, tile};
use crate::server_id::ServerId;
use crate::store::{Read, Scan, Space};

/// What [`check_engine`] found in a sound engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Checked {
    /// Commits.
    pub commits: u64,
    /// Records in all ledgers.
    pub records: u64,
    /// Signatures on records, all of them verified.
    pub signatures: u64,
    /// Size of each ledger.
    pub sizes: BTreeMap<LedgerName, u64>,
}

/// One ledger while its blocks go by.
struct Ledger {
    key: PublicKey,
    name: LedgerName,
    creation: Creation,
    row: LedgerRow,
    size: u64,
    last_digest: Option<Digest>,
    last_time: Timestamp,
    unsigned: u64,
    leaves: Vec<LeafHash>,
    last_commit: CommitNumber,
    ids: HashSet<String>,
}

type Check<T> = Result<T, String>;

fn ensure(good: bool, what: impl FnOnce() -> String) -> Check<()> {
    if good { Ok(()) } else { Err(what()) }
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// Recomputes every digest, the chain, every signature, the trees with their tiles and nodes, the ids,
/// the heads with their checkpoints, the index and the chain over commits, and checks that no row is
/// there that does not belong. Each ledger was signed by the one of `keys` that its record 0 names.
///
/// # Errors
/// The first contradiction, in words.
pub fn check_engine(store: &dyn Read, keys: &[PublicKey]) -> Result<Checked, String> {
    let mut ledgers = load_ledgers(store, keys)?;
    let mut walk = Walk::default();
    let mut blocks = 0;
    let mut state = (CommitNumber(0), Digest([0; 32]));
    let mut digests = rows(store, Space::Commits)?.into_iter();
    let mut pending: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let all = rows(store, Space::Blocks)?;
    let mut all = all.into_iter().peekable();
    while let Some((key_bytes, value)) = all.next() {
        let place = block::parse_key(&key_bytes).map_err(text)?;
        pending.push((key_bytes, value));
        let more = all.peek().and_then(|(next, _)| block::parse_key(next).ok());
        if more.is_some_and(|next| next.commit == place.commit) {
            continue;
        }
        blocks += pending.len();
        let touched = walk.commit(&mut ledgers, store, place.commit, &pending)?;
        pending.clear();
        ensure(place.commit.0 == state.0.0 + 1, || {
            format!("commit {} does not follow {}", place.commit, state.0)
        })?;
        let digest = engine_digest(&state.1, place.commit, touched);
        let stored = digests.next().ok_or("a commit has no digest")?;
        let number = commit::parse_key(&stored.0).map_err(text)?;
        ensure(number == place.commit, || {
            format!("digest of commit {number}, records of {}", place.commit)
        })?;
        ensure(commit::decode(&stored.1).map_err(text)? == digest, || {
            format!("the engine's digest after commit {number} is wrong")
        })?;
        state = (place.commit, digest);
    }
    ensure(digests.next().is_none(), || "a commit without records".into())?;
    walk.verify_signatures()?;
    check_state(store, &walk, &ledgers, state)?;
    ensure(rows(store, Space::Index)?.len() == blocks, || "index rows without blocks".into())?;
    ensure(rows(store, Space::Bodies)?.len() == blocks, || "bodies without blocks".into())?;
    walk.check_ids(store)?;
    let mut expected = Expected::default();
    for (number, ledger) in &ledgers {
        check_head(store, *number, ledger)?;
        expected.tree(store, *number, ledger)?;
        walk.checked.sizes.insert(ledger.name.clone(), ledger.size);
    }
    ensure(rows(store, Space::Tiles)?.len() == expected.tiles, || "too many tiles".into())?;
    ensure(rows(store, Space::Nodes)?.len() == expected.nodes, || "too many nodes".into())?;
    ensure(rows(store, Space::Heads)?.len() == ledgers.len(), || "too many heads".into())?;
    walk.checked.commits = state.0.0;
    Ok(walk.checked)
}

fn rows(store: &dyn Read, space: Space) -> Check<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut out = Vec::new();
    store
        .scan(&Scan::all(space), &mut |key, value| {
            out.push((key.to_vec(), value.to_vec()));
            ControlFlow::Continue(())
        })
        .map_err(text)?;
    Ok(out)
}

fn load_ledgers(store: &dyn Read, keys: &[PublicKey]) -> Check<BTreeMap<u64, Ledger>> {
    let mut ledgers = BTreeMap::new();
    for (key, value) in rows(store, Space::Ledgers)? {
        let name = ledger::parse_key(&key).map_err(text)?;
        let row = LedgerRow::decode(&value).map_err(text)?;
        let creation = Creation::parse(&row.creation).map_err(text)?;
        let key = keys.iter().find(|key| creation.keys.contains(&key.key_id()));
        let ledger = Ledger {
            key: *key.ok_or(format!("'{name}' is of another key"))?,
            name,
            creation,
            last_time: row.created,
            size: 0,
            last_digest: None,
            unsigned: 0,
            leaves: Vec::new(),
            last_commit: CommitNumber(0),
            ids: HashSet::new(),
            row: row.clone(),
        };
        ensure(ledgers.insert(row.number.0, ledger).is_none(), || {
            "a number of two ledgers".into()
        })?;
    }
    // A creation that failed may have left a gap.
    ensure(!ledgers.contains_key(&0), || "a ledger has the number 0".into())?;
    Ok(ledgers)
}

#[derive(Default)]
struct Walk {
    checked: Checked,
    /// Every id that may have a row: ledger, id, its record.
    given: HashMap<(u64, IdHash), (String, IdRow)>,
    /// By the id of their key.
    signed: BTreeMap<String, Signed>,
}

/// The key, and what it has signed.
type Signed = (Option<PublicKey>, Vec<(Digest, Ed25519Signature)>);

impl Walk {
    /// The blocks of one commit. Returns what it did to each ledger, by number.
    fn commit(
        &mut self,
        ledgers: &mut BTreeMap<u64, Ledger>,
        store: &dyn Read,
        number: CommitNumber,
        blocks: &[(Vec<u8>, Vec<u8>)],
    ) -> Check<Vec<(u64, u64, Digest)>> {
        let mut touched = BTreeMap::new();
        for (ordinal, (key, value)) in blocks.iter().enumerate() {
            let place = block::parse_key(key).map_err(text)?;
            ensure(place.ordinal as usize == ordinal, || "ordinals have gaps".into())?;
            let block = Block::decode(value).map_err(text)?;
            let of = block.ledger();
            let ledger = ledgers.get_mut(&of.0).ok_or("a block of an unknown ledger")?;
            let at = format!("ledger '{}', record {}", ledger.name, block.first_seq());
            ensure(block.first_seq().get() == ledger.size, || {
                format!("{at}: a gap or an overlap")
            })?;
            ensure(block.prev() == ledger.last_digest, || format!("{at}: the chain is broken"))?;
            let row = store.get(Space::Index, &index::key(of, block.first_seq())).map_err(text)?;
            let row = IndexRow::decode(&row.ok_or(format!("{at}: no index row"))?).map_err(text)?;
            let bodies = store
                .get(Space::Bodies, &block::bodies_key(of, block.first_seq()))
                .map_err(text)?;
            let bodies = bodies.ok_or(format!("{at}: no bodies"))?;
            block.check_bodies(&bodies).map_err(text)?;
            let first = block.record(0).ok_or("an empty block")?;
            let first_time = RecordView::parse(first.bytes_in(&bodies)).map_err(text)?.time;
            let expected = IndexRow { place, count: block.len() as u32, first_time };
            ensure(row == expected, || format!("{at}: its index row is wrong"))?;
            for record in block.records() {
                self.record(of, ledger, &record, record.bytes_in(&bodies))?;
            }
            ledger.last_commit = number;
            touched
                .insert(of.0, (of.0, ledger.size, ledger.last_digest.unwrap_or(Digest([0; 32]))));
        }
        for number in touched.keys() {
            let ledger = ledgers.get(number).ok_or("unknown ledger")?;
            ensure(ledger.unsigned == 0, || format!("'{}': a commit ends unsigned", ledger.name))?;
        }
        Ok(touched.into_values().collect())
    }

    fn record(
        &mut self,
        of: LedgerNumber,
        ledger: &mut Ledger,
        record: &BlockRecord<'_>,
        bytes: &[u8],
    ) -> Check<()> {
        let at = || format!("ledger '{}', record {}", ledger.name, record.seq);
        let view = RecordView::parse(bytes).map_err(|error| format!("{}: {error}", at()))?;
        let digest = record_digest(bytes, ledger.last_digest.as_ref());
        ensure(digest == record.digest, || format!("{}: wrong digest", at()))?;
        ensure(record.prev == ledger.last_digest, || format!("{}: wrong prev", at()))?;
        ensure(view.seq == record.seq && view.seq.get() == ledger.size, || {
            format!("{}: wrong seq", at())
        })?;
        ensure(view.ledger == &*ledger.name, || format!("{}: of another ledger", at()))?;
        ensure(view.time == record.time, || format!("{}: wrong time in the tables", at()))?;
        let principals = Some(ledger.creation.principals);
        judge(&view, Some(&ledger.creation.origin), principals)
            .map_err(|fault| format!("{}: {fault}", at()))?;
        ensure(view.time >= ledger.last_time, || format!("{}: time goes back", at()))?;
        ensure(ledger.ids.insert(view.id.to_string()), || format!("{}: its id is taken", at()))?;
        if record.seq == Seq::ZERO {
            ensure(view.body == Body::System(&ledger.row.creation), || {
                format!("{}: not its creation", at())
            })?;
            ensure(view.time == ledger.row.created, || format!("{}: not its time", at()))?;
        }
        match &record.signature {
            Some(signature) => {
                ensure(signature.key_id == ledger.key.key_id().as_str(), || {
                    format!("{}: other key", at())
                })?;
                let bytes =
                    signature.bytes.try_into().map_err(|_| format!("{}: bad signature", at()))?;
                let signed = self.signed.entry(signature.key_id.to_owned()).or_default();
                signed.0 = Some(ledger.key);
                signed.1.push((digest, Ed25519Signature(bytes)));
                ledger.unsigned = 0;
            }
            None => {
                ledger.unsigned += 1;
                let per_record = ledger.creation.sign_per == SignPer::Record;
                ensure(!per_record && ledger.unsigned <= ledger.creation.max_unsigned, || {
                    format!("{}: unsigned", at())
                })?;
            }
        }
        let hash = IdHash::of(&EventId::new(&view.id).map_err(text)?);
        let row = IdRow { seq: record.seq, content: ContentHash::of_record(&view) };
        self.given.insert((of.0, hash), (view.id.to_string(), row));
        ledger.size += 1;
        ledger.last_digest = Some(digest);
        ledger.last_time = view.time;
        ledger.leaves.push(leaf_hash(&digest));
        self.checked.records += 1;
        Ok(())
    }

    fn verify_signatures(&mut self) -> Check<()> {
        for (key, signed) in self.signed.values() {
            let items: Vec<(&[u8], &Ed25519Signature)> =
                signed.iter().map(|(digest, signature)| (&digest.0[..], signature)).collect();
            let key = key.as_ref().ok_or("signatures without a key")?;
            // The seed need not be secret against a test's own signatures.
            let bad = ed25519::verify_bulk_report(key, &items, [7; 32]);
            self.checked.signatures += items.len() as u64;
            ensure(bad.is_empty(), || format!("{} bad signatures", bad.len()))?;
        }
        Ok(())
    }

    /// Each id row leads to its record; a record without row has an id that the engine made in its
    /// millisecond.
    fn check_ids(&mut self, store: &dyn Read) -> Check<()> {
        for (key, value) in rows(store, Space::Ids)? {
            let (of, id) = id::parse_key(&key).map_err(text)?;
            let row = IdRow::decode(&value).map_err(text)?;
            let (seq, found) = (row.seq, self.given.remove(&(of.0, id)));
            let (_, expected) = found.ok_or(format!("the row of {seq} has the id of no record"))?;
            ensure(row == expected, || format!("the id row of {seq} should be {expected:?}"))?;
        }
        for ((of, _), (id, IdRow { seq, .. })) in &self.given {
            let id = EventId::new(id).map_err(text)?;
            let (first, last) = ServerId::parse(&id)
                .and_then(ServerId::times)
                .ok_or_else(|| format!("id '{id}' has no row"))?;
            let row = store
                .first(
                    &Scan::through(
                        Space::Index,
                        &index::key(LedgerNumber(*of), Seq::ZERO),
                        &index::key(LedgerNumber(*of), *seq),
                    )
                    .backward(),
                )
                .map_err(text)?
                .ok_or("no index row")?;
            let row = IndexRow::decode(&row.1).map_err(text)?;
            let value = store
                .get(Space::Blocks, &block::key(row.place))
                .map_err(text)?
                .ok_or("no block")?;
            let block = Block::decode(&value).map_err(text)?;
            let time = block.find(*seq).ok_or("no record")?.time;
            ensure(first <= time && time <= last, || format!("id '{id}' names another time"))?;
        }
        Ok(())
    }
}

fn check_state(
    store: &dyn Read,
    walk: &Walk,
    ledgers: &BTreeMap<u64, Ledger>,
    (commit, digest): (CommitNumber, Digest),
) -> Check<()> {
    let identity = store.get(Space::Meta, IdentityRow::KEY).map_err(text)?.ok_or("no identity")?;
    let identity = IdentityRow::decode(&identity).map_err(text)?;
    for ledger in ledgers.values() {
        let server = ledger.creation.origin.server();
        ensure(server == &*identity.server_name, || format!("'{}' is of {server}", ledger.name))?;
    }
    let state = store.get(Space::Meta, StateRow::KEY).map_err(text)?.ok_or("no state")?;
    let state = StateRow::decode(&state).map_err(text)?;
    let expected =
        StateRow { commit, digest, ledgers: ledgers.len() as u64, records: walk.checked.records };
    ensure(state == expected, || format!("the state is {state:?}, should be {expected:?}"))
}

fn check_head(store: &dyn Read, number: u64, ledger: &Ledger) -> Check<()> {
    let name = &ledger.name;
    let value = store.get(Space::Heads, &head::key(LedgerNumber(number))).map_err(text)?;
    let row = HeadRow::decode(&value.ok_or(format!("'{name}' has no head"))?).map_err(text)?;
    let mut tree = CompactRange::new(0);
    ledger.leaves.iter().for_each(|leaf| tree.append(*leaf));
    let facts = (row.size, Some(row.last_digest), row.last_time, row.commit);
    let expected = (ledger.size, ledger.last_digest, ledger.last_time, ledger.last_commit);
    ensure(facts == expected, || {
        format!("the head of '{name}' is {facts:?}, should be {expected:?}")
    })?;
    ensure(row.frontier == tree.subtrees(), || format!("'{name}': wrong frontier"))?;
    let note = SignedNote::parse(row.note.as_bytes()).map_err(text)?;
    let origin = &ledger.creation.origin;
    note.verify([(&**origin, &ledger.key)]).map_err(text)?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(text)?;
    let root = tree.root().ok_or("no root")?;
    let expected = Checkpoint { origin: origin.clone(), size: ledger.size, root };
    ensure(checkpoint == expected, || format!("'{name}': wrong checkpoint"))
}

#[derive(Default)]
struct Expected {
    tiles: usize,
    nodes: usize,
}

impl Expected {
    /// Every full tile and every node of a stored level is there and right.
    fn tree(&mut self, store: &dyn Read, number: u64, ledger: &Ledger) -> Check<()> {
        let of = LedgerNumber(number);
        let full = ledger.leaves.as_chunks::<{ TILE_WIDTH as usize }>().0;
        for (tile, leaves) in full.iter().enumerate() {
            let value = store.get(Space::Tiles, &tile::key(of, tile as u64)).map_err(text)?;
            let value = value.ok_or(format!("'{}': tile {tile} is missing", ledger.name))?;
            let row = TileRow::decode(&value).map_err(text)?;
            ensure(row.leaves().eq(leaves.iter().copied()), || format!("tile {tile} is wrong"))?;
            self.tiles += 1;
        }
        let mut level: Vec<NodeHash> = ledger.leaves.iter().map(|leaf| (*leaf).into()).collect();
        for height in 1..64u8 {
            level = level.as_chunks::<2>().0.iter().map(|[l, r]| node_hash(l, r)).collect();
            if height % 8 != 0 {
                continue;
            }
            for (index, hash) in level.iter().enumerate() {
                let value =
                    store.get(Space::Nodes, &node::key(of, height, index as u64)).map_err(text)?;
                let value = value.ok_or(format!("node {height}/{index} is missing"))?;
                ensure(node::decode(&value).map_err(text)? == *hash, || {
                    format!("node {height}/{index} is wrong")
                })?;
                self.nodes += 1;
            }
        }
        Ok(())
    }
}
