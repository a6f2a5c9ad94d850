//! What the ledger itself says about an archived segment.

use indelible_core::hash::Sha256Hash;
use indelible_core::name::EventId;
use indelible_core::record::{Body, RecordView};
use indelible_core::system::{SegmentArchived, System};
use indelible_ledger::{AppendError, EventError};
use sha2::{Digest as _, Sha256};

use crate::archiver::Task;
use crate::error::ArchiveError;
use crate::resume::Archived;

/// Ids that are tried for one record. A client may have taken the first on purpose, to keep the ledger
/// from saying what was archived; it cannot go on taking ids that follow from what is not yet written.
const ID_TRIES: u32 = 8;

/// Lets the ledger say that the segment is safe. Idempotent: the id follows from segment and vault.
pub(crate) async fn record(task: &Task<'_>, archived: &Archived) -> Result<(), ArchiveError> {
    let manifest = &archived.manifest;
    let news = SegmentArchived {
        first_seq: manifest.run.first(),
        last_seq: manifest.run.last(),
        manifest_sha256: manifest.text_sha256(),
        segment_sha256: manifest.packed.sha256,
        vault: task.vault.name(),
    };
    let mut attempt = 0;
    loop {
        let Some(id) = id_of(&news, attempt) else { return Ok(()) };
        let system = System::SegmentArchived(news.clone());
        match task.engine().append_system(task.ledger(), system, id).await {
            Ok(_) => return Ok(()),
            Err(AppendError::Event { error: EventError::Conflict { id, seq }, .. })
                if attempt + 1 < ID_TRIES =>
            {
                tracing::warn!(ledger = %task.ledger(), %id, ?seq, "another event has the id of an archive record");
                attempt += 1;
            }
            Err(error) => return Err(ArchiveError::Record(error)),
        }
    }
}

/// The id of the record about an archived segment: the same for the same segment in the same vault.
fn id_of(news: &SegmentArchived, attempt: u32) -> Option<EventId> {
    let vault = Sha256Hash(Sha256::digest(news.vault.as_bytes()).into()).to_hex();
    let manifest = news.manifest_sha256.to_hex();
    let stem = format!("segment-archived-{}-{}", manifest.get(..32)?, vault.get(..16)?);
    match attempt {
        0 => EventId::new(&stem).ok(),
        attempt => EventId::new(&format!("{stem}-{attempt}")).ok(),
    }
}

/// Whether a record says nothing but that a segment was archived.
pub(crate) fn is_news(record: &[u8]) -> bool {
    RecordView::parse(record).is_ok_and(|view| match view.body {
        Body::System(system) => matches!(System::parse(system), Ok(System::SegmentArchived(_))),
        Body::Event(_) => false,
    })
}
