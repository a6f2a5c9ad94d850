//! A manifest by itself: steps 1 and 2 of `docs/FORMAT.md` section 8.3.

use indelible_core::checkpoint::Checkpoint;
use indelible_core::code::{Class, Code, UncheckedCode};
use indelible_core::hash::{Digest, Sha256Hash};
use indelible_core::key::Trust;
use indelible_core::limits::MANIFEST_BYTES_MAX;
use indelible_core::manifest::{Manifest, ManifestError};
use indelible_core::merkle::CompactRange;
use indelible_core::name::Origin;
use indelible_core::note::SignedNote;
use indelible_core::segment::{Run, manifest_name};

use super::folder::{Folder, OpenError};
use crate::findings::{Finding, Unchecked};

/// Why a manifest changes no state.
#[derive(Debug)]
pub(crate) enum Spoilt {
    Finding(Finding),
    Unchecked(Unchecked),
}

/// What of a manifest its neighbours are held against. A manifest itself may be large, and there may be
/// millions.
#[derive(Debug)]
pub(crate) struct Stated {
    pub(crate) origin: Origin,
    pub(crate) run: Run,
    pub(crate) first_prev: Option<Digest>,
    pub(crate) last_digest: Digest,
    pub(crate) previous: Option<Sha256Hash>,
    pub(crate) text_sha256: Sha256Hash,
    /// The leaves of the run.
    pub(crate) range: CompactRange,
    /// Whether a trusted key signed it.
    pub(crate) trusted: bool,
    /// The checkpoint in it, where a trusted key signed that.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// What step 2 found.
    pub(crate) findings: Vec<Finding>,
}

/// Reads the manifest that is named after a run.
pub(crate) fn read(
    folder: &Folder,
    run: Run,
    trust: &Trust,
) -> Result<(Manifest, Stated), Box<Spoilt>> {
    let file = manifest_name(run.first(), run.last());
    let (first, last) = (run.first().get(), run.last().get());
    let spoilt = |what: String| {
        let finding = Finding::damage(Code::ManifestInvalid, what).between(first, last);
        Box::new(Spoilt::Finding(finding.file(file.clone())))
    };
    let unchecked =
        |code, why: String| Box::new(Spoilt::Unchecked(Unchecked::new(code, file.clone(), why)));
    let note = match folder.read(&file, MANIFEST_BYTES_MAX) {
        Ok(note) if note.len() <= MANIFEST_BYTES_MAX => note,
        Ok(_) => return Err(spoilt(format!("it is larger than {MANIFEST_BYTES_MAX} bytes"))),
        Err(OpenError::Io(error)) => {
            return Err(unchecked(UncheckedCode::Unreadable, error.to_string()));
        }
        Err(error) => return Err(spoilt(error.to_string())),
    };
    let parsed = SignedNote::parse(&note).map_err(ManifestError::from).and_then(|note| {
        let manifest = Manifest::parse_text(note.text())?;
        Ok((note, manifest))
    });
    match parsed {
        Ok((note, manifest)) => {
            let stated = judge(&note, &manifest, &file, run, trust).ok_or_else(|| {
                // The members have been held against each other, so there are as many subtrees as leaves.
                spoilt("its subtrees do not fit its records".to_owned())
            })?;
            Ok((manifest, stated))
        }
        Err(ManifestError::Version(version)) => {
            let why = format!("it is of version {version}, which a newer program reads");
            Err(unchecked(UncheckedCode::VersionUnknown, why))
        }
        Err(error @ ManifestError::Certificates) => {
            Err(unchecked(UncheckedCode::VersionUnknown, error.to_string()))
        }
        Err(error) => {
            Err(spoilt(format!("it cannot be trusted, so its segment was not checked: {error}")))
        }
    }
}

/// Step 2: who signed it, and the checkpoint in it.
fn judge(
    note: &SignedNote<'_>,
    manifest: &Manifest,
    file: &str,
    run: Run,
    trust: &Trust,
) -> Option<Stated> {
    let origin = &manifest.origin;
    let (first, last) = (run.first().get(), run.last().get());
    let at = |finding: Finding| finding.between(first, last).file(file);
    let mut findings = Vec::new();
    let trusted = match note.verify(trust.note_keys(origin).map(|key| (origin.as_str(), key))) {
        Ok(_) => true,
        Err(error) if error.is_unknown() => {
            let what = format!("the manifest: {}", error.explained(trust, origin));
            findings.push(at(Finding::damage(Code::KeyUnknown, what)).repeating());
            false
        }
        Err(error) => {
            findings.push(at(Finding::damage(Code::ManifestInvalid, error.to_string())));
            false
        }
    };
    let opened = Checkpoint::open(manifest.checkpoint.as_bytes(), origin, trust);
    let checkpoint = opened
        .map_err(|error| {
            let class = if trusted { Class::Tampering } else { Class::Damage };
            let what = format!("the manifest's checkpoint: {error}");
            findings.push(at(Finding::new(error.code(), class, what)).repeating());
        })
        .ok();
    Some(Stated {
        origin: origin.clone(),
        run: manifest.run,
        first_prev: manifest.first_prev,
        last_digest: manifest.last_digest,
        previous: manifest.previous,
        text_sha256: manifest.text_sha256(),
        range: manifest.range().ok()?,
        trusted,
        checkpoint,
        findings,
    })
}
