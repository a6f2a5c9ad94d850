//! Which known word was probably meant.

/// The candidate with the fewest edits to `word`, unless even that one is too far to be a slip.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let far = word.len().max(4) / 2;
    candidates
        .into_iter()
        .map(|candidate| (strsim::levenshtein(word, candidate), candidate))
        .min_by_key(|(distance, _)| *distance)
        .filter(|(distance, _)| *distance <= far)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_nonsense_finds_none() {
        let words = ["listen.address", "limits.headers_max", "log.level"];
        assert_eq!(nearest("listen.adress", words), Some("listen.address"));
        assert_eq!(nearest("log.levle", words), Some("log.level"));
        assert_eq!(nearest("colour", words), None);
    }
}
