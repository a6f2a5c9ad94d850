//! A manifest is believed only if it says what an honest one says.

use std::sync::LazyLock;

use indelible_core::manifest::Manifest;
use indelible_core::note::SignedNote;

use crate::seeds;

static HONEST: LazyLock<Vec<Manifest>> = LazyLock::new(|| {
    let inputs = inputs();
    let read = |note: &Vec<u8>| Manifest::parse_text(seeds::text(note)).expect("a golden manifest");
    inputs.iter().map(read).collect()
});

/// One run.
pub fn run(data: &[u8]) {
    let Ok(manifest) = Manifest::open(data, &seeds::trust()) else { return };
    assert!(HONEST.contains(&manifest), "nobody signed {}", manifest.text());
    let text = SignedNote::parse(data).expect("it was opened").text();
    assert_eq!(manifest.signed_text().as_deref(), Ok(text), "written otherwise");
    assert!(manifest.stated_checkpoint().is_ok(), "its checkpoint is not read again");
}

/// All honest manifests.
pub fn inputs() -> Vec<Vec<u8>> {
    let vaults = seeds::good("vault");
    let files = vaults.iter().flat_map(|vault| &vault.files);
    let manifests = files.filter(|(path, _)| path.ends_with(".manifest")).map(|(_, note)| note);
    let readable = manifests.filter(|note| SignedNote::parse(note).is_ok()).cloned();
    let mut inputs: Vec<_> = readable.chain(seeds::MANIFESTS.map(<[u8]>::to_vec)).collect();
    inputs.sort_unstable();
    inputs.dedup();
    inputs
}
