//! JSON, as far as records need it: whether a text is one value, and what its top-level fields say.
//!
//! A value is kept as the caller spelled it, so nothing here makes one.

use std::collections::HashSet;

/// The deepest nesting.
const DEPTH_MAX: usize = 128;

/// The fields of an object as they are indexed, in the order of the text: a text without its
/// quotes, a number, `true`, `false` or `null` as it is spelled. Arrays and objects are left out,
/// and what is no object has no fields. Of a name that comes twice, the last one counts.
pub(crate) fn fields(text: &str) -> Result<Vec<(String, String)>, &'static str> {
    let mut reader = Reader { bytes: text.as_bytes(), text, at: 0 };
    let mut fields: Vec<(String, Option<String>)> = Vec::new();
    reader.blanks();
    if reader.peek() == Some(b'{') {
        reader.object(1, &mut |name, value| fields.push((name, value)))?;
    } else {
        reader.value(1)?;
    }
    reader.blanks();
    if reader.at != reader.bytes.len() {
        return Err("something follows the JSON value");
    }
    // A value can have ten thousand fields, so none is looked for among the others.
    let mut names = HashSet::with_capacity(fields.len());
    let is_last: Vec<bool> = fields.iter().rev().map(|(name, _)| names.insert(name)).collect();
    let is_last = is_last.into_iter().rev().collect::<Vec<bool>>();
    let kept = fields.into_iter().zip(is_last).filter(|(_, is_last)| *is_last);
    Ok(kept.filter_map(|((name, value), _)| Some((name, value?))).collect())
}

struct Reader<'a> {
    bytes: &'a [u8],
    text: &'a str,
    at: usize,
}

type Read<T> = Result<T, &'static str>;

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, byte: u8, why: &'static str) -> Read<()> {
        if self.peek() != Some(byte) {
            return Err(why);
        }
        self.at += 1;
        Ok(())
    }

    /// Reads a value. Gives what an index has of it.
    fn value(&mut self, depth: usize) -> Read<Option<String>> {
        if depth > DEPTH_MAX {
            return Err("the JSON value is nested too deep");
        }
        match self.peek() {
            Some(b'{') => self.object(depth, &mut |_, _| {}).map(|()| None),
            Some(b'[') => self.array(depth).map(|()| None),
            Some(b'"') => self.string().map(Some),
            Some(b'-' | b'0'..=b'9') => self.number().map(Some),
            _ => self.word().map(Some),
        }
    }

    fn object(&mut self, depth: usize, field: &mut dyn FnMut(String, Option<String>)) -> Read<()> {
        self.take(b'{', "a JSON object begins with a brace")?;
        self.blanks();
        if self.peek() == Some(b'}') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blanks();
            let name = self.string()?;
            self.blanks();
            self.take(b':', "a colon is missing in a JSON object")?;
            self.blanks();
            let value = self.value(depth + 1)?;
            field(name, value);
            self.blanks();
            if self.peek() != Some(b',') {
                return self.take(b'}', "a JSON object does not end");
            }
            self.at += 1;
        }
    }

    fn array(&mut self, depth: usize) -> Read<()> {
        self.take(b'[', "a JSON array begins with a bracket")?;
        self.blanks();
        if self.peek() == Some(b']') {
            self.at += 1;
            return Ok(());
        }
        loop {
            self.blanks();
            self.value(depth + 1)?;
            self.blanks();
            if self.peek() != Some(b',') {
                return self.take(b']', "a JSON array does not end");
            }
            self.at += 1;
        }
    }

    fn string(&mut self) -> Read<String> {
        self.take(b'"', "a JSON text begins with a quote")?;
        let mut out = String::new();
        loop {
            let start = self.at;
            while !matches!(self.peek(), None | Some(b'"' | b'\\' | 0..=0x1f)) {
                self.at += 1;
            }
            out.push_str(&self.text[start..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.at += 1;
                    out.push(self.escape()?);
                }
                _ => return Err("a JSON text does not end"),
            }
        }
    }

    fn escape(&mut self) -> Read<char> {
        let letter = self.peek().ok_or("a JSON text does not end")?;
        self.at += 1;
        Ok(match letter {
            b'"' | b'\\' | b'/' => letter.into(),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex()?;
                if !(0xd800..0xdc00).contains(&first) {
                    return char::from_u32(first).ok_or("half a character in a JSON text");
                }
                self.take(b'\\', "half a character in a JSON text")?;
                self.take(b'u', "half a character in a JSON text")?;
                let second = self.hex()?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err("half a character in a JSON text");
                }
                let whole = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                char::from_u32(whole).ok_or("half a character in a JSON text")?
            }
            _ => return Err("no such escape in a JSON text"),
        })
    }

    fn hex(&mut self) -> Read<u32> {
        let digits = self.bytes.get(self.at..self.at + 4).ok_or("a JSON text does not end")?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err("four hex digits are missing in a JSON text");
        }
        let value = u32::from_str_radix(&self.text[self.at..self.at + 4], 16);
        self.at += 4;
        value.map_err(|_| "four hex digits are missing in a JSON text")
    }

    fn number(&mut self) -> Read<String> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        if self.peek() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(self.text[start..self.at].to_owned())
    }

    fn digits(&mut self) -> Read<()> {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at > start { Ok(()) } else { Err("a JSON number lacks digits") }
    }

    fn word(&mut self) -> Read<String> {
        for word in ["true", "false", "null"] {
            if self.bytes[self.at..].starts_with(word.as_bytes()) {
                self.at += word.len();
                return Ok(word.to_owned());
            }
        }
        Err("no JSON value")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_read_at_the_top_and_nowhere_else() {
        let text = r#" {"a":"x\u00e9\ud83d\ude00\n","b":-1.5e+3,"c":true,"d":null,"e":{"a":1},"f":[1,[2]],"a":"y"} "#;
        let own = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let expected = vec![own("b", "-1.5e+3"), own("c", "true"), own("d", "null"), own("a", "y")];
        assert_eq!(fields(text), Ok(expected));
        assert_eq!(fields(r#"{"a":"x\u00e9\ud83d\ude00"}"#), Ok(vec![own("a", "xé😀")]));
        for text in ["[]", "0", "\"\"", "null", "[1, {\"a\": 2}]", "{}", "{ }", "[ ]"] {
            assert_eq!(fields(text), Ok(Vec::new()), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_told() {
        for text in [
            "",
            " ",
            "{",
            "}",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "1.",
            "-",
            "1e",
            "+1",
            "tru",
            "nulll",
            "\"\n\"",
            "\"\\x\"",
            "\"\\ud800\"",
            "\"\\u12\"",
            "\"\\u+123\"",
            "\"",
            "1 2",
            "\"\\ud800\\u0041\"",
            "\"\\u00é\"",
        ] {
            assert!(fields(text).is_err(), "{text:?}");
        }
        assert!(fields(&"[".repeat(DEPTH_MAX + 1)).is_err());
        let deep = "[".repeat(DEPTH_MAX) + &"]".repeat(DEPTH_MAX);
        assert_eq!(fields(&deep), Ok(Vec::new()));
    }
}
