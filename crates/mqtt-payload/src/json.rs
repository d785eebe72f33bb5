//! Reading JSON: numbers keep their digits, and a mistake says where it is.

use crate::{Codec, Limits, PayloadError, Value, limits::Budget};

/// The one value of `input`.
pub(crate) fn decode(input: &[u8], limits: &Limits) -> Result<Value, PayloadError> {
    let text = std::str::from_utf8(input)
        .map_err(|error| at(error.valid_up_to(), "this is no UTF-8, as JSON has to be"))?;
    let mut reader = Reader {
        text,
        place: 0,
        budget: Budget::new(limits),
    };
    reader.skip_space();
    let value = reader.value()?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(value),
        Some(_) => Err(at(reader.place, "something follows its end")),
    }
}

struct Reader<'a> {
    text: &'a str,
    /// INVARIANT: between two characters of the text.
    place: usize,
    budget: Budget,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.place..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.place).copied()
    }

    fn skip(&mut self, matches: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&matches) {
            self.place += 1;
        }
    }

    fn skip_space(&mut self) {
        self.skip(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r'));
    }

    /// Whether the text goes on with this, which is skipped then.
    fn takes(&mut self, text: &str) -> bool {
        let takes = self.rest().starts_with(text);
        if takes {
            self.place += text.len();
        }
        takes
    }

    fn fault(&self, what: &str) -> PayloadError {
        match self.peek() {
            None => at(self.place, "it ends too early"),
            Some(_) => at(self.place, what),
        }
    }

    fn value(&mut self) -> Result<Value, PayloadError> {
        let place = self.place;
        self.budget.value().map_err(|what| at(place, what))?;
        match self.peek() {
            Some(b'{') => self.within(Self::map),
            Some(b'[') => self.within(Self::list),
            Some(b'"') => Ok(Value::Text(self.string()?.into())),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ if self.takes("null") => Ok(Value::Null),
            _ if self.takes("true") => Ok(Value::Bool(true)),
            _ if self.takes("false") => Ok(Value::Bool(false)),
            _ => Err(self.fault("no value begins so")),
        }
    }

    fn within(
        &mut self,
        read: fn(&mut Self) -> Result<Value, PayloadError>,
    ) -> Result<Value, PayloadError> {
        let place = self.place;
        self.budget.enter().map_err(|what| at(place, what))?;
        self.place += 1;
        let value = read(self)?;
        self.budget.leave();
        Ok(value)
    }

    fn list(&mut self) -> Result<Value, PayloadError> {
        let mut values = Vec::new();
        self.skip_space();
        if self.takes("]") {
            return Ok(Value::List(values));
        }
        loop {
            self.skip_space();
            values.push(self.value()?);
            self.skip_space();
            if self.takes("]") {
                return Ok(Value::List(values));
            }
            if !self.takes(",") {
                return Err(self.fault("a comma or the end of the list is missing"));
            }
        }
    }

    fn map(&mut self) -> Result<Value, PayloadError> {
        let mut members = Vec::new();
        self.skip_space();
        if self.takes("}") {
            return Ok(Value::Map(members));
        }
        loop {
            self.skip_space();
            if self.peek() != Some(b'"') {
                return Err(self.fault("a member begins with its name in quotes"));
            }
            let name = Value::Text(self.string()?.into());
            self.skip_space();
            if !self.takes(":") {
                return Err(self.fault("a colon is missing behind the name"));
            }
            self.skip_space();
            members.push((name, self.value()?));
            self.skip_space();
            if self.takes("}") {
                return Ok(Value::Map(members));
            }
            if !self.takes(",") {
                return Err(self.fault("a comma or the end of the object is missing"));
            }
        }
    }

    fn number(&mut self) -> Result<Value, PayloadError> {
        let start = self.place;
        self.takes("-");
        match self.peek() {
            Some(b'0') => self.place += 1,
            Some(b'1'..=b'9') => self.digits()?,
            _ => return Err(self.fault("a digit is missing")),
        }
        if self.takes(".") {
            self.digits()?;
        }
        if self.takes("e") || self.takes("E") {
            let _ = self.takes("+") || self.takes("-");
            self.digits()?;
        }
        let digits = self.text.get(start..self.place).unwrap_or_default();
        Ok(Value::Number(digits.into()))
    }

    fn digits(&mut self) -> Result<(), PayloadError> {
        let start = self.place;
        self.skip(|byte| byte.is_ascii_digit());
        match self.place == start {
            true => Err(self.fault("a digit is missing")),
            false => Ok(()),
        }
    }

    fn string(&mut self) -> Result<String, PayloadError> {
        self.place += 1;
        let mut text = String::new();
        loop {
            let rest = self.rest();
            let plain = rest
                .find(|character| matches!(character, '"' | '\\' | '\0'..='\x1F'))
                .unwrap_or(rest.len());
            text.push_str(rest.get(..plain).unwrap_or_default());
            self.place += plain;
            match self.peek() {
                Some(b'"') => {
                    self.place += 1;
                    return Ok(text);
                }
                Some(b'\\') => text.push(self.escaped()?),
                _ => return Err(self.fault("this character has to be escaped")),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, PayloadError> {
        self.place += 1;
        let character = match self.peek() {
            Some(b'u') => return self.unicode(),
            Some(character @ (b'"' | b'\\' | b'/')) => char::from(character),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{C}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(self.fault("nothing is escaped so")),
        };
        self.place += 1;
        Ok(character)
    }

    /// `u` and four digits, twice for a pair of surrogates.
    fn unicode(&mut self) -> Result<char, PayloadError> {
        let start = self.place;
        let first = self.four_digits()?;
        let code = match first {
            0xD800..=0xDBFF if self.takes("\\") && self.peek() == Some(b'u') => {
                match self.four_digits()? {
                    second @ 0xDC00..=0xDFFF => {
                        0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00)
                    }
                    _ => first,
                }
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| at(start, "half a pair of surrogates"))
    }

    fn four_digits(&mut self) -> Result<u32, PayloadError> {
        self.place += 1;
        let digits = self.rest().get(..4).filter(|digits| {
            let mut bytes = digits.bytes();
            bytes.all(|byte| byte.is_ascii_hexdigit())
        });
        let Some(code) = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()) else {
            return Err(self.fault("four hexadecimal digits are missing"));
        };
        self.place += 4;
        Ok(code)
    }
}

fn at(place: usize, what: &str) -> PayloadError {
    PayloadError::at(Codec::Json, place, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Value, PayloadError> {
        decode(text.as_bytes(), &Limits::default())
    }

    #[test]
    fn every_digit_of_a_number_is_kept() {
        for text in [
            "0",
            "-0",
            "9007199254740993",
            "123456789012345678901234567890.10",
            "1E+400",
            "1e-5",
        ] {
            assert_eq!(read(text).unwrap().to_json(), text);
        }
    }

    #[test]
    fn order_and_names_that_are_there_twice_are_kept() {
        let text = r#"{"b":1,"a":[true,false,null,{}],"b":"\"\\\n€"}"#;
        assert_eq!(read(text).unwrap().to_json(), text);
        let spaced = " {\t\"b\" : 1 ,\n\"a\":[ true,false , null,{ }],\"b\":\"\\u0022\\\\\\u000A\\u20ac\" }\r\n";
        assert_eq!(read(spaced).unwrap().to_json(), text);
        assert_eq!(read(r#""\ud83d\ude00\/""#).unwrap().to_json(), "\"😀/\"");
    }

    #[test]
    fn a_mistake_says_where_it_is() {
        for (text, place) in [
            ("", 0),
            ("[1,]", 3),
            ("[1 2]", 3),
            ("{\"a\":1", 6),
            ("{a:1}", 1),
            ("{\"a\" 1}", 5),
            ("01", 1),
            ("-", 1),
            ("1.", 2),
            ("1e", 2),
            ("\"a\nb\"", 2),
            ("\"\\x\"", 2),
            ("\"\\u12g4\"", 3),
            ("\"\\ud800\"", 2),
            ("\"\\ud800\\u0041\"", 2),
            ("nul", 0),
            ("1 2", 2),
            ("\"é\" x", 5),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.place, Some(place), "{text}: {error}");
        }
        assert_eq!(
            decode(b"\"\xFF\"", &Limits::default()).unwrap_err().place,
            Some(1)
        );
    }

    #[test]
    fn depth_and_count_are_bounded() {
        let deep = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(read(&deep(64)).is_ok());
        assert_eq!(read(&deep(65)).unwrap_err().place, Some(64));
        let limits = Limits {
            depth_max: usize::MAX,
            values_max: 3,
            ..Limits::default()
        };
        assert!(decode(b"[1,2]", &limits).is_ok());
        assert_eq!(decode(b"[1,2,3]", &limits).unwrap_err().place, Some(5));
    }
}
