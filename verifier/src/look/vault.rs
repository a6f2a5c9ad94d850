//! The records of a directory vault, ledger by ledger.

use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;

use indelible_core::limits::{MANIFEST_BYTES_MAX, SEGMENT_PLAIN_BYTES_MAX};
use indelible_core::manifest::Manifest;
use indelible_core::name::LedgerName;
use indelible_core::note::SignedNote;
use indelible_core::segment::{FileName, Run, SEGMENT_PACKED_BYTES_MAX, manifest_name};

use super::lines::{self, Whence};
use super::{Walk, Wanted};
use crate::frames::unpack;
use crate::vault::folder::{Folder, Kind};

/// Ledgers and segments that are looked into, so that a folder without end does not fill the memory:
/// names of this many take some 100 MB.
const NAMES_MAX: usize = 1 << 20;

pub(super) fn walk(path: &Path, walk: &mut Walk<'_>) -> io::Result<ControlFlow<()>> {
    let wanted = walk.wanted;
    let vault = Folder::open(path)?;
    let mut names = Vec::new();
    vault.list(|name, kind| {
        let name = name.to_str().filter(|name| LedgerName::is_valid(name) && wanted.wants(name));
        if let (Some(name), Kind::Folder) = (name, kind) {
            names.push(name.to_owned());
        }
        names.len() < NAMES_MAX
    })?;
    names.sort_unstable();
    for name in &names {
        let flow = match vault.folder(name.as_ref()) {
            Ok(folder) => ledger(&folder, name, walk),
            Err(error) => walk.unread(name, error.to_string()),
        };
        if flow.is_break() {
            return Ok(flow);
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn ledger(folder: &Folder, name: &str, walk: &mut Walk<'_>) -> ControlFlow<()> {
    let wanted = walk.wanted;
    let (mut manifests, mut objects) = (Vec::new(), Vec::new());
    let listed = folder.list(|name, _| {
        match name.to_str().and_then(FileName::parse) {
            Some(FileName::Manifest { run }) if overlaps(run, wanted) => manifests.push(run),
            Some(object) if overlaps(object.run(), wanted) => objects.push(object),
            _ => {}
        }
        manifests.len() + objects.len() < NAMES_MAX
    });
    if let Err(error) = listed {
        walk.unread(name, error.to_string())?;
    }
    manifests.sort_unstable();
    objects.sort_unstable();
    for run in &manifests {
        segment(folder, name, *run, &objects, walk)?;
    }
    for object in objects.iter().filter(|object| manifests.binary_search(&object.run()).is_err()) {
        walk.unread(format!("{name}/{object}"), "no manifest speaks of it, so it means nothing")?;
    }
    ControlFlow::Continue(())
}

fn overlaps(run: Run, wanted: &Wanted) -> bool {
    wanted.wants_run(run.first().get(), run.last().get())
}

/// The segment of a manifest: the file that the manifest names, or, where it cannot be read, those
/// whose names speak of the same records.
fn segment(
    folder: &Folder,
    ledger: &str,
    run: Run,
    objects: &[FileName],
    walk: &mut Walk<'_>,
) -> ControlFlow<()> {
    let manifest = manifest_name(run.first(), run.last());
    match object_of(folder, &manifest) {
        Ok(name) => object(folder, ledger, run, &name, walk),
        Err(why) => {
            walk.unread(format!("{ledger}/{manifest}"), why)?;
            let of_run = objects.iter().filter(|object| object.run() == run);
            of_run
                .map(ToString::to_string)
                .try_for_each(|name| object(folder, ledger, run, &name, walk))
        }
    }
}

fn object_of(folder: &Folder, manifest: &str) -> Result<String, String> {
    let note = folder.read(manifest, MANIFEST_BYTES_MAX).map_err(|error| error.to_string())?;
    let note = SignedNote::parse(&note).map_err(|error| error.to_string())?;
    let manifest = Manifest::parse_text(note.text()).map_err(|error| error.to_string())?;
    Ok(manifest.object_name())
}

fn object(
    folder: &Folder,
    ledger: &str,
    run: Run,
    name: &str,
    walk: &mut Walk<'_>,
) -> ControlFlow<()> {
    let file = format!("{ledger}/{name}");
    let opened = folder.file(name).map_err(|error| error.to_string());
    let decoder = opened.and_then(|(packed, _)| {
        unpack(packed.take(SEGMENT_PACKED_BYTES_MAX)).map_err(|error| error.to_string())
    });
    let whence = Whence { file: &file, ledger, begin: run.first().get(), export: false };
    match decoder {
        Ok(decoder) => lines::walk(decoder, SEGMENT_PLAIN_BYTES_MAX, &whence, walk),
        Err(why) => walk.unread(file.as_str(), why),
    }
}
