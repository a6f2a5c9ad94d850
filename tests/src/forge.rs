//! What an attacker does to files: takes segments and exports apart, changes them, puts them together
//! again, with the operator's stolen key or one of his own.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use futures_util::FutureExt as _;
use indelible_core::chain::record_digest;
use indelible_core::checkpoint::Checkpoint;
use indelible_core::hash::Digest;
use indelible_core::key::{KeyId, RecordSignature, Signature};
use indelible_core::limits::SEGMENT_RECORDS_MAX;
use indelible_core::manifest::{Content, Manifest};
use indelible_core::merkle::{CompactRange, leaf_hash};
use indelible_core::name::{Origin, Seq};
use indelible_core::note::{SignedNote, assemble, signature_line};
use indelible_core::segment::{Line, Run, object_name, push_line};
use indelible_ledger::{LocalEd25519, SignRequest, Signer};

/// Zstandard level of forged segments.
const LEVEL: i32 = 3;

/// A line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The record's bytes.
    pub record: Vec<u8>,
    /// The digest that stands beside it.
    pub digest: Digest,
    /// The signature that stands beside it.
    pub signature: Option<RecordSignature>,
}

impl Row {
    fn parse(line: &[u8]) -> Self {
        let line = Line::parse(line).expect("a line");
        let signature = line.signature.map(|(key_id, signature)| RecordSignature {
            key_id: KeyId::new(key_id).expect("a key id"),
            signature,
        });
        Self { record: line.record.to_vec(), digest: line.digest, signature }
    }

    /// Replaces a piece of the record by another. The digest stays.
    #[track_caller]
    pub fn replace(&mut self, old: &str, new: &str) {
        let text = String::from_utf8(self.record.clone()).expect("a record is UTF-8");
        assert!(text.contains(old), "{old} does not stand in {text}");
        self.record = text.replacen(old, new, 1).into_bytes();
    }
}

/// The plain bytes of lines.
#[must_use]
pub fn lines(rows: &[Row]) -> Vec<u8> {
    let mut out = Vec::new();
    for row in rows {
        push_line(&mut out, &row.record, &row.digest, row.signature.as_ref());
    }
    out
}

fn rows(plain: &[u8]) -> Vec<Row> {
    plain.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(Row::parse).collect()
}

/// Recomputes every digest, as who changes one record must. The signatures stay.
pub fn rechain(rows: &mut [Row], mut prev: Option<Digest>) {
    for row in rows {
        row.digest = record_digest(&row.record, prev.as_ref());
        prev = Some(row.digest);
    }
}

/// Gives every record the number of its place, as who inserts or drops one must.
pub fn renumber(rows: &mut [Row]) {
    for (seq, row) in rows.iter_mut().enumerate() {
        let text = String::from_utf8(row.record.clone()).expect("a record is UTF-8");
        // An event could hold the same text; the record's own number is the last.
        let at = text.rfind(",\"seq\":").expect("a record has a number") + 7;
        let end = at + text[at..].find(',').expect("a number ends");
        row.record = format!("{}{seq}{}", &text[..at], &text[end..]).into_bytes();
    }
}

/// One segment of a vault with its manifest.
#[derive(Debug, Clone)]
pub struct Part {
    /// The lines.
    pub rows: Vec<Row>,
    /// What the manifest says.
    pub manifest: Manifest,
    /// The segment's file.
    pub object: PathBuf,
    /// The manifest's file.
    pub manifest_file: PathBuf,
}

impl Part {
    /// Writes changed lines under the old name, with the old manifest beside them.
    pub fn overwrite(&self) {
        fs::write(&self.object, pack(&lines(&self.rows))).expect("the segment can be written");
    }

    /// Takes segment and manifest away.
    pub fn remove(&self) {
        fs::remove_file(&self.object).expect("there is a segment");
        fs::remove_file(&self.manifest_file).expect("there is a manifest");
    }
}

/// Compresses lines.
#[must_use]
pub fn pack(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, LEVEL).expect("Zstandard works in memory")
}

/// The segments of a ledger in a vault, in order.
#[must_use]
pub fn vault(vault: &Path, ledger: &str) -> Vec<Part> {
    let folder = vault.join(ledger);
    let names = fs::read_dir(&folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut manifests: Vec<PathBuf> = names
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "manifest"))
        .collect();
    manifests.sort();
    manifests.into_iter().map(part).collect()
}

fn part(manifest_file: PathBuf) -> Part {
    let note = fs::read(&manifest_file).expect("the manifest can be read");
    let note = SignedNote::parse(&note).expect("a manifest is a note");
    let manifest = Manifest::parse_text(note.text()).expect("a manifest");
    let object = manifest_file.with_file_name(manifest.object_name());
    let packed = fs::read(&object).expect("the segment can be read");
    let plain = zstd::decode_all(&packed[..]).expect("the segment is Zstandard");
    Part { rows: rows(&plain), manifest, object, manifest_file }
}

/// An export, taken apart.
#[derive(Debug, Clone)]
pub struct Export {
    /// The header line.
    pub header: String,
    /// The records.
    pub rows: Vec<Row>,
    /// The checkpoint at its end.
    pub checkpoint: String,
}

impl Export {
    /// Reads an export that is not compressed.
    #[must_use]
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let mut lines: Vec<&str> = text.lines().collect();
        let header = lines.remove(0).to_owned();
        let closing: serde_json::Value =
            serde_json::from_str(lines.pop().expect("an export has an end")).expect("JSON");
        let checkpoint = closing["checkpoint"].as_str().expect("a checkpoint").to_owned();
        let rows = lines.into_iter().map(|line| Row::parse(line.as_bytes())).collect();
        Self { header, rows, checkpoint }
    }

    /// Writes it.
    pub fn write(&self, path: &Path) {
        let mut out = format!("{}\n", self.header).into_bytes();
        out.extend(lines(&self.rows));
        let closing = serde_json::json!({ "checkpoint": self.checkpoint });
        out.extend(format!("{closing}\n").into_bytes());
        fs::write(path, out).expect("the export can be written");
    }
}

/// Somebody with a private key.
pub struct Forger {
    signer: LocalEd25519,
}

impl Forger {
    /// Somebody who has got hold of the server's own key file.
    #[must_use]
    pub fn with_stolen_key(key_file: &Path) -> Self {
        Self { signer: LocalEd25519::load(key_file).expect("the key can be read") }
    }

    /// Somebody with a key of his own.
    #[must_use]
    pub fn with_own_key() -> Self {
        Self { signer: LocalEd25519::generate().expect("a key can be made") }
    }

    fn sign(&self, request: SignRequest<'_>) -> Signature {
        let signed = self.signer.sign(&[request]).now_or_never().expect("signing does not wait");
        signed.expect("signing works").remove(0)
    }

    /// The key's vkey under a name.
    #[must_use]
    pub fn vkey(&self, name: &str) -> String {
        indelible_core::key::VKey::new(name, self.signer.note_key()).expect("a name").to_string()
    }

    /// A whole signed note.
    #[must_use]
    pub fn note(&self, origin: &Origin, text: &str) -> String {
        let signature = self.sign(SignRequest::Note(text));
        let signature = signature.ed25519().expect("notes are signed with Ed25519");
        assemble(text, &signature_line(origin, &self.signer.note_key(), signature))
    }

    /// Recomputes every digest and signs every record that carried a signature.
    pub fn resign(&self, rows: &mut [Row], prev: Option<Digest>) {
        rechain(rows, prev);
        for row in rows {
            if let Some(signature) = &mut row.signature {
                signature.key_id = self.signer.note_key().key_id();
                signature.signature = self.sign(SignRequest::Digest(&row.digest));
            }
        }
    }

    /// The signed checkpoint of a ledger of these records.
    #[must_use]
    pub fn checkpoint(&self, origin: &Origin, rows: &[Row]) -> String {
        let mut range = CompactRange::new(0);
        rows.iter().for_each(|row| range.append(leaf_hash(&row.digest)));
        let root = range.root().expect("a range from 0 has a root");
        let checkpoint = Checkpoint { origin: origin.clone(), size: rows.len() as u64, root };
        self.note(origin, &checkpoint.body())
    }

    /// Writes a whole new history into a vault, cut where `parts` were cut (the last takes the rest),
    /// and takes the old one away. `rows` begin with record 0.
    pub fn rewrite_vault(&self, parts: &[Part], rows: &[Row]) {
        parts.iter().for_each(Part::remove);
        let mut previous: Option<Manifest> = None;
        let mut begin = 0;
        for (place, part) in parts.iter().enumerate() {
            let is_last = place + 1 == parts.len();
            let end = if is_last { rows.len() } else { begin + part.rows.len() };
            assert!(end as u64 <= SEGMENT_RECORDS_MAX, "made for small vaults");
            let folder = part.object.parent().expect("a segment lies in a folder");
            let origin = &part.manifest.origin;
            previous = Some(self.write_part(folder, origin, rows, begin..end, previous.as_ref()));
            begin = end;
        }
    }

    fn write_part(
        &self,
        folder: &Path,
        origin: &Origin,
        rows: &[Row],
        run: std::ops::Range<usize>,
        previous: Option<&Manifest>,
    ) -> Manifest {
        let own = &rows[run.clone()];
        let plain = lines(own);
        let packed = pack(&plain);
        let seq = |place: usize| Seq::new(place as u64).expect("a small number");
        let mut range = CompactRange::new(run.start as u64);
        own.iter().for_each(|row| range.append(leaf_hash(&row.digest)));
        let keys: BTreeSet<KeyId> =
            own.iter().filter_map(|row| Some(row.signature.as_ref()?.key_id.clone())).collect();
        let manifest = Manifest {
            origin: origin.clone(),
            run: Run::new(seq(run.start), seq(run.end - 1)).expect("a run"),
            first_prev: run.start.checked_sub(1).map(|before| rows[before].digest),
            last_digest: own.last().expect("no part is empty").digest,
            keys,
            packed: Content::of(&packed),
            plain: Content::of(&plain),
            previous: previous.map(Manifest::text_sha256),
            subtrees: range.subtrees().to_vec(),
            checkpoint: self.checkpoint(origin, &rows[..run.end]),
        };
        let (first, last) = (manifest.run.first(), manifest.run.last());
        let object = object_name(first, last, &manifest.packed.sha256);
        fs::write(folder.join(object), &packed).expect("the segment can be written");
        let text = manifest.signed_text().expect("the forgery contradicts itself nowhere");
        let note = self.note(origin, &text);
        fs::write(folder.join(manifest.file_name()), note).expect("the manifest can be written");
        manifest
    }
}

/// Copies a folder and all in it.
pub fn copy_folder(from: &Path, to: &Path) {
    // A data folder that others may enter is refused.
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(to);
    made.expect("the folder can be made");
    for entry in fs::read_dir(from).unwrap_or_else(|e| panic!("{}: {e}", from.display())) {
        let entry = entry.expect("the folder can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a file has a type").is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("the file can be copied");
        }
    }
}

/// Takes everybody else's rights to a data folder in which this process has written, under whatever umask:
/// the program refuses a folder with files that are open to others.
pub fn close_to_others(folder: &Path) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())) {
        let entry = entry.expect("the folder can be read");
        let is_folder = entry.file_type().expect("a file has a type").is_dir();
        let mode = if is_folder { 0o700 } else { 0o600 };
        fs::set_permissions(entry.path(), Permissions::from_mode(mode)).expect("it is ours");
        if is_folder {
            close_to_others(&entry.path());
        }
    }
}
