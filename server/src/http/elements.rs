//! Counting the elements of a JSON array while it arrives, without parsing it.
//!
//! It counts right in what is JSON; what is not is left to the parser, which sees it later.

use memchr::memchr2;

/// How far a growing body was looked at.
#[derive(Debug, Default)]
pub(super) struct Elements {
    /// Elements that have ended with a comma so far; 0 where the body is no array.
    pub(super) count: usize,
    seen: usize,
    depth: usize,
    is_array: bool,
    in_string: bool,
    escaped: bool,
}

impl Elements {
    /// Looks at what has come since the last time; `body` is all of it.
    pub(super) fn look(&mut self, body: &[u8]) {
        while let Some(&byte) = body.get(self.seen) {
            self.seen += 1;
            if self.escaped {
                self.escaped = false;
            } else if self.in_string {
                self.within_string(body);
            } else {
                self.outside(byte);
            }
        }
    }

    /// Goes to the next byte of a string that means something.
    fn within_string(&mut self, body: &[u8]) {
        self.seen -= 1;
        let rest = body.get(self.seen..).unwrap_or_default();
        match memchr2(b'"', b'\\', rest) {
            None => self.seen = body.len(),
            Some(at) => {
                self.seen += at + 1;
                self.escaped = rest.get(at) == Some(&b'\\');
                self.in_string = self.escaped;
            }
        }
    }

    fn outside(&mut self, byte: u8) {
        match byte {
            b'"' => self.in_string = true,
            b'[' | b'{' => {
                self.is_array |= byte == b'[' && self.depth == 0;
                self.depth += 1;
            }
            b']' | b'}' => self.depth = self.depth.saturating_sub(1),
            b',' if self.depth == 1 && self.is_array => self.count += 1,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_between_elements_are_counted_wherever_the_body_is_cut() {
        let body = br#" [{"event":{"a":"],[\",","b":[1,2,{"c":3,"d":4}]}},{"event":{}},"x\\",1]"#;
        for cut in 0..body.len() {
            let mut elements = Elements::default();
            elements.look(&body[..cut]);
            elements.look(body);
            assert_eq!(elements.count, 3, "{cut}");
        }
        let mut elements = Elements::default();
        elements.look(br#"{"a":1,"b":[1,2],"c":3}"#);
        assert_eq!(elements.count, 0);
    }
}
