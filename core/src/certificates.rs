//! The room for certificates in lines, receipts and manifests (`docs/FORMAT.md` section 5).
//!
//! A later version says there what a record key or a root says about a key. Nothing of this version
//! writes one or can judge one; it can see that one is there, and says that a newer program is needed.

use crate::json::Members;

/// The member that holds them: an array of at least one element, whatever that is.
pub(crate) const CERTIFICATES: &str = "certificates";

/// The certificates of a canonical object, as they stand there.
pub(crate) fn certificates<'a>(members: &Members<'a>) -> Option<&'a [u8]> {
    // Canonical JSON has no white space, and what begins so ends so.
    members.get(CERTIFICATES).filter(|member| member.starts_with(b"[") && *member != b"[]")
}
