//! Which records are looked for.

use std::ops::RangeInclusive;

use indelible_core::json::{Limits, canonicalize, parse_string};
use indelible_core::record::{Body, By, RecordView};
use indelible_core::time::Timestamp;
use memchr::memmem;

use super::json::pointer;

/// What a record must be to be shown: all of these.
#[derive(Debug, Clone, Default)]
pub struct Criteria {
    /// Its number is within.
    pub seqs: Option<RangeInclusive<u64>>,
    /// Its id is this.
    pub id: Option<String>,
    /// Its ledger says that somebody of this name wrote it.
    pub by: Option<String>,
    /// Its text contains this.
    pub pattern: Option<Pattern>,
    /// Its event has these values.
    pub paths: Vec<PathEquals>,
    /// It was taken at this time or later.
    pub from: Option<Timestamp>,
    /// It was taken before this time.
    pub until: Option<Timestamp>,
}

impl Criteria {
    /// Whether a record is all that is asked for.
    #[must_use]
    pub fn fit(&self, record: &RecordView<'_>) -> bool {
        self.seqs.as_ref().is_none_or(|seqs| seqs.contains(&record.seq.get()))
            && self.id.as_ref().is_none_or(|id| *record.id == **id)
            && self.by.as_deref().is_none_or(|name| record.by.as_ref().map(By::name) == Some(name))
            && self.from.is_none_or(|from| record.time >= from)
            && self.until.is_none_or(|until| record.time < until)
            && self.paths.iter().all(|path| path.fits(record))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.is_in(record.bytes))
    }
}

/// A text to look for in the bytes of a record.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// As it was given, and as JSON writes it within a string, where that is something else.
    needles: Vec<Vec<u8>>,
    ignore_case: bool,
}

impl Pattern {
    /// Looks for `text`, as it stands or as JSON writes it. `ignore_case` counts for ASCII letters.
    #[must_use]
    pub fn new(text: &str, ignore_case: bool) -> Self {
        let mut escaped = Vec::new();
        indelible_core::json::push_string(&mut escaped, text);
        let escaped = escaped.strip_prefix(b"\"").and_then(|text| text.strip_suffix(b"\""));
        let mut needles = vec![text.as_bytes().to_vec()];
        needles.extend(escaped.filter(|escaped| *escaped != text.as_bytes()).map(<[u8]>::to_vec));
        if ignore_case {
            needles.iter_mut().for_each(|needle| needle.make_ascii_lowercase());
        }
        Self { needles, ignore_case }
    }

    /// Whether it is there. Unlike a record, a line that is none may be searched likewise.
    #[must_use]
    pub fn is_in(&self, bytes: &[u8]) -> bool {
        let found =
            |bytes: &[u8]| self.needles.iter().any(|needle| memmem::find(bytes, needle).is_some());
        if self.ignore_case { found(&bytes.to_ascii_lowercase()) } else { found(bytes) }
    }
}

/// A place in the event and the value that it must have.
#[derive(Debug, Clone)]
pub struct PathEquals {
    pointer: String,
    /// As it was given, which a string is compared with.
    text: String,
    /// In canonical form, where it is JSON.
    canonical: Option<Vec<u8>>,
}

/// Why a text is no [`PathEquals`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "write POINTER=VALUE, such as /user/name=ada or /amount=42; the pointer (RFC 6901) leads into the \
     event and begins with a slash"
)]
pub struct PathEqualsError;

impl std::str::FromStr for PathEquals {
    type Err = PathEqualsError;

    fn from_str(text: &str) -> Result<Self, PathEqualsError> {
        let (pointer, value) = text.split_once('=').ok_or(PathEqualsError)?;
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(PathEqualsError);
        }
        let canonical = canonicalize(value.as_bytes(), Limits::DOCUMENT).ok();
        Ok(Self { pointer: pointer.to_owned(), text: value.to_owned(), canonical })
    }
}

impl PathEquals {
    fn fits(&self, record: &RecordView<'_>) -> bool {
        let (Body::Event(body) | Body::System(body)) = record.body;
        let Some(found) = pointer(body, &self.pointer) else { return false };
        self.canonical.as_deref() == Some(found)
            || parse_string(found).is_some_and(|found| found == *self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &[u8] = br#"{"event":{"amount":42,"note":"say \"hi\"","tags":["a","b"],"user":"Ada"},"id":"a","ledger":"l","seq":3,"time":"2026-11-21T05:14:00.000000Z","v":1}"#;

    fn fits(criteria: Criteria) -> bool {
        criteria.fit(&RecordView::parse(RECORD).unwrap())
    }

    #[test]
    fn values_are_compared_as_text_and_as_json() {
        for (path, expected) in [
            ("/amount=42", true),
            ("/amount=42.0", true),
            ("/amount=43", false),
            ("/user=Ada", true),
            ("/user=\"Ada\"", true),
            ("/user=ada", false),
            ("/tags/1=b", true),
            ("/tags=[\"a\", \"b\"]", true),
            ("/nothing=null", false),
        ] {
            let paths = vec![path.parse().unwrap()];
            assert_eq!(fits(Criteria { paths, ..Criteria::default() }), expected, "{path}");
        }
        assert_eq!("user=Ada".parse::<PathEquals>().unwrap_err(), PathEqualsError);
        assert!("/user".parse::<PathEquals>().is_err());
    }

    #[test]
    fn patterns_are_found_as_people_write_them() {
        let find = |text: &str, ignore_case| {
            fits(Criteria { pattern: Some(Pattern::new(text, ignore_case)), ..Criteria::default() })
        };
        assert!(find("say \"hi\"", false) && find("Ada", false) && find("ADA", true));
        assert!(!find("ADA", false) && !find("nobody", true));
    }

    #[test]
    fn who_wrote_it_is_compared_as_a_whole() {
        let by = |name: &str| Criteria { by: Some(name.into()), ..Criteria::default() };
        assert!(!fits(by("Ada")), "an event's own words say nothing of who wrote it");
        for member in [r#"{"name":"Ada"}"#, r#"{"how":"token","name":"Ada","tenant":"l"}"#] {
            let text = String::from_utf8_lossy(RECORD);
            let record = text.replacen('{', &format!("{{\"by\":{member},"), 1);
            let record = RecordView::parse(record.as_bytes()).unwrap();
            assert!(by("Ada").fit(&record) && !by("Ad").fit(&record));
        }
    }

    #[test]
    fn times_are_from_and_before() {
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let at = time("2026-11-21T05:14:00.000000Z");
        assert!(fits(Criteria { from: at, ..Criteria::default() }));
        assert!(!fits(Criteria { until: at, ..Criteria::default() }));
    }
}
