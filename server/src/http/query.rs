//! Parameters of a query: each known, each once, each of its form.

use axum::extract::Query;
use hyper::Uri;
use indelible_core::name::Seq;
use indelible_core::time::Timestamp;

use super::errors::{Code, Problem};
use crate::config::nearest;

/// The parameters of one request.
#[derive(Debug)]
pub(super) struct Params(Vec<(String, String)>);

impl Params {
    /// Reads the query of `uri`. A parameter that is not among `known` is refused: a misspelled bound
    /// would otherwise answer with everything.
    ///
    /// # Errors
    /// 400 `query_invalid`.
    pub(super) fn new(uri: &Uri, known: &[&'static str]) -> Result<Self, Problem> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|error| invalid(error.to_string()))?;
        for (at, (name, _)) in pairs.iter().enumerate() {
            if !known.contains(&name.as_str()) {
                let hint = nearest(name, known.iter().copied())
                    .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
                let shown: String = name.chars().take(40).collect();
                return Err(invalid(format!("unknown parameter `{shown}`{hint}")));
            }
            if pairs.iter().take(at).any(|(other, _)| other == name) {
                return Err(invalid(format!("`{name}` is given twice")));
            }
        }
        Ok(Self(pairs))
    }

    /// The text of a parameter.
    #[must_use]
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// Whether one of `names` is given.
    #[must_use]
    pub(super) fn has_any(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.text(name).is_some())
    }

    /// A sequence number or size.
    ///
    /// # Errors
    /// 400 for anything else.
    pub(super) fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        self.text(name)
            .map(|text| text.parse::<Seq>().map(Seq::get))
            .transpose()
            .map_err(|_| invalid(format!("`{name}` must be an integer from 0 to 2^53 - 1")))
    }

    /// A number that must be there.
    ///
    /// # Errors
    /// 400 when it is missing or no number.
    pub(super) fn demanded(&self, name: &str) -> Result<u64, Problem> {
        self.number(name)?.ok_or_else(|| invalid(format!("`{name}` is missing")))
    }

    /// `limit`, from 1 to `max`.
    ///
    /// # Errors
    /// 400 for anything else.
    pub(super) fn limit(&self, max: usize) -> Result<Option<usize>, Problem> {
        match self.number("limit")? {
            None => Ok(None),
            Some(limit) => usize::try_from(limit)
                .ok()
                .filter(|limit| (1..=max).contains(limit))
                .map(Some)
                .ok_or_else(|| {
                    invalid(format!("`limit` must be from 1 to {max}")).with("limit", max as u64)
                }),
        }
    }

    /// A time in UTC: a day, or a day and time with up to six digits of fraction.
    ///
    /// # Errors
    /// 400 for anything else.
    pub(super) fn time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.text(name).map(time).transpose().map_err(|()| {
            invalid(format!(
                "`{name}` must be a time in UTC such as 2026-11-21T05:14:00Z or 2026-11-21"
            ))
        })
    }
}

/// A 400 that says what is wrong with the query.
pub(super) fn invalid(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(Code::QueryInvalid, detail)
}

fn time(text: &str) -> Result<Timestamp, ()> {
    let (day, clock) = text.split_once('T').unwrap_or((text, "00:00:00Z"));
    let clock = clock.strip_suffix('Z').ok_or(())?;
    let (second, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    if fraction.is_empty() || fraction.len() > 6 {
        return Err(());
    }
    Timestamp::parse(format!("{day}T{second}.{fraction:0<6}Z").as_bytes()).map_err(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(query: &str) -> Result<Params, Problem> {
        let uri: Uri = format!("/x?{query}").parse().unwrap();
        Params::new(&uri, &["from", "limit", "from_time", "id"])
    }

    #[test]
    fn unknown_and_doubled_parameters_are_refused() {
        assert!(params("form=1").unwrap_err().detail().contains("did you mean `from`?"));
        assert!(params("from=1&from=1").is_err());
        assert_eq!(params("id=a%20b").unwrap().text("id"), Some("a b"));
    }

    #[test]
    fn numbers_and_limits_are_checked() {
        assert_eq!(params("from=7").unwrap().demanded("from").unwrap(), 7);
        for bad in ["from=", "from=-1", "from=x", "from=9007199254740992"] {
            assert!(params(bad).unwrap().number("from").is_err(), "{bad}");
        }
        assert!(params("").unwrap().demanded("from").is_err());
        assert_eq!(params("limit=5").unwrap().limit(5).unwrap(), Some(5));
        assert!(params("limit=0").unwrap().limit(5).is_err());
        assert!(params("limit=6").unwrap().limit(5).is_err());
    }

    #[test]
    fn times_may_be_short_but_not_ambiguous() {
        let micros = |text: &str| time(text).map(Timestamp::micros);
        let day = 1_700_006_400_000_000;
        assert_eq!(micros("2023-11-15"), Ok(day));
        assert_eq!(micros("2023-11-15T00:00:00Z"), Ok(day));
        assert_eq!(micros("2023-11-15T00:00:00.5Z"), Ok(day + 500_000));
        assert_eq!(micros("2023-11-15T00:00:00.000001Z"), Ok(day + 1));
        for bad in [
            "",
            "2023-11-15T00:00:00",
            "2023-11-15T00:00:00+01:00",
            "2023-02-30",
            "2023-11-15T00:00:00.Z",
        ] {
            assert!(time(bad).is_err(), "{bad}");
        }
    }
}
