//! A checkpoint is believed only if it says what an honest one says, and of no other ledger.

use std::sync::LazyLock;

use indelible_core::checkpoint::Checkpoint;
use indelible_core::name::Origin;
use indelible_core::note::SignedNote;

use crate::seeds;

static HONEST: LazyLock<Vec<Checkpoint>> = LazyLock::new(|| {
    let inputs = inputs();
    let read = |note: &Vec<u8>| Checkpoint::parse(seeds::text(note)).expect("a golden checkpoint");
    inputs.iter().map(read).collect()
});

/// One run.
pub fn run(data: &[u8]) {
    let trust = seeds::trust();
    let Ok(checkpoint) = Checkpoint::open_any(data, &trust) else { return };
    assert!(HONEST.contains(&checkpoint), "nobody signed {checkpoint:?}");
    let origin = &checkpoint.origin;
    assert_eq!(Checkpoint::open(data, origin, &trust).as_ref(), Ok(&checkpoint));
    let other = Origin::new(&format!("{origin}x")).expect("a name that is a little longer");
    assert!(Checkpoint::open(data, &other, &trust).is_err(), "believed of another ledger");
}

/// All honest checkpoints: the golden ones, and the heads that good cases are compared with.
pub fn inputs() -> Vec<Vec<u8>> {
    let cases = ["export", "vault", "receipt"].map(seeds::good);
    let heads = cases.iter().flatten().flat_map(|case| &case.heads);
    // Some are receipts, some have line ends or a byte order mark of other programs.
    let is_exact = |head: &&Vec<u8>| {
        SignedNote::parse(head).is_ok_and(|note| Checkpoint::parse(note.text()).is_ok())
    };
    let notes = heads.filter(is_exact).cloned();
    let mut inputs: Vec<_> = notes.chain(seeds::CHECKPOINTS.map(<[u8]>::to_vec)).collect();
    inputs.sort_unstable();
    inputs.dedup();
    inputs
}
