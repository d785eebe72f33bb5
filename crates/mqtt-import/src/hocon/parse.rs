//! From text to values.

use super::{Document, HoconError, Node, Value};

/// How deep values may stand in one another.
const DEPTH_MAX: usize = 64;
/// The longest text that is read; unit: bytes.
const TEXT_LEN_MAX: usize = 16 << 20;

/// Reads a text.
pub(crate) fn parse(text: &str) -> Result<Document, HoconError> {
    let mut parser = Parser {
        rest: text.strip_prefix('\u{FEFF}').unwrap_or(text),
        line: 1,
        includes: Vec::new(),
    };
    if text.len() > TEXT_LEN_MAX {
        return Err(parser.error(&format!("more than {TEXT_LEN_MAX} bytes")));
    }
    parser.skip_blank();
    let root = match parser.eat("{") {
        true => parser.object(Some('}'), 0)?,
        false => parser.object(None, 0)?,
    };
    parser.skip_blank();
    match parser.rest.is_empty() {
        true => Ok(Document {
            root,
            includes: parser.includes,
        }),
        false => Err(parser.error("there is something behind the end")),
    }
}

struct Parser<'a> {
    rest: &'a str,
    line: u32,
    includes: Vec<(u32, String)>,
}

impl<'a> Parser<'a> {
    fn error(&self, what: &str) -> HoconError {
        HoconError {
            line: self.line,
            what: what.to_owned(),
        }
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let next = chars.next()?;
        self.rest = chars.as_str();
        if next == '\n' {
            self.line = self.line.saturating_add(1);
        }
        Some(next)
    }

    fn eat(&mut self, wanted: &str) -> bool {
        match self.rest.strip_prefix(wanted) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn is_comment(&self) -> bool {
        self.rest.starts_with('#') || self.rest.starts_with("//")
    }

    /// Blanks within a line, and a comment at its end.
    fn skip_in_line(&mut self) {
        while self.peek().is_some_and(|c| c != '\n' && c.is_whitespace()) {
            self.bump();
        }
        if self.is_comment() {
            while self.peek().is_some_and(|c| c != '\n') {
                self.bump();
            }
        }
    }

    /// Blanks, comments and the ends of lines.
    fn skip_blank(&mut self) {
        loop {
            self.skip_in_line();
            if self.peek() != Some('\n') {
                return;
            }
            self.bump();
        }
    }

    /// The same, and the commas between fields and elements.
    fn skip_separators(&mut self) {
        self.skip_blank();
        while self.eat(",") {
            self.skip_blank();
        }
    }

    /// Fields up to `close`, or to the end of the text.
    fn object(&mut self, close: Option<char>, depth: usize) -> Result<Value, HoconError> {
        if depth > DEPTH_MAX {
            return Err(self.error("values stand too deep in one another"));
        }
        let mut object = Value {
            line: self.line,
            node: Node::Object(Vec::new()),
        };
        loop {
            self.skip_separators();
            match (self.peek(), close) {
                (None, None) => return Ok(object),
                (None, Some(_)) => return Err(self.error("an object has no end")),
                (Some(c), close) if Some(c) == close => {
                    self.bump();
                    return Ok(object);
                }
                _ => self.field(&mut object, depth)?,
            }
        }
    }

    fn field(&mut self, object: &mut Value, depth: usize) -> Result<(), HoconError> {
        let line = self.line;
        let path = self.path()?;
        self.skip_in_line();
        if let [word] = path.as_slice()
            && word == "include"
            && !self.rest.starts_with(['=', ':', '{'])
            && !self.rest.starts_with("+=")
        {
            let file: String = self
                .rest
                .lines()
                .next()
                .unwrap_or_default()
                .trim()
                .to_owned();
            while self.peek().is_some_and(|c| c != '\n') {
                self.bump();
            }
            self.includes.push((line, file));
            return Ok(());
        }
        let is_appended = self.eat("+=");
        if !is_appended && !self.rest.starts_with('{') && !self.eat("=") && !self.eat(":") {
            return Err(self.error("a key has no value"));
        }
        self.skip_blank();
        let mut value = self.value(depth + 1)?;
        value.line = line;
        if is_appended {
            let mut list = match object.at(&path).map(|found| found.node.clone()) {
                Some(Node::List(list)) => list,
                _ => Vec::new(),
            };
            list.push(value);
            value = Value {
                line,
                node: Node::List(list),
            };
        }
        if path.len() > DEPTH_MAX {
            return Err(self.error("a key has too many parts"));
        }
        object.put(&path, value);
        Ok(())
    }

    /// A key: parts between dots, each quoted or not.
    fn path(&mut self) -> Result<Vec<String>, HoconError> {
        let mut path = Vec::new();
        loop {
            self.skip_in_line();
            let part = match self.peek() {
                Some('"') => self.quoted()?,
                _ => {
                    let len = self
                        .rest
                        .find(|c: char| "=:{}[],+#\"\n.$".contains(c) || c.is_whitespace());
                    let (part, rest) = self.rest.split_at(len.unwrap_or(self.rest.len()));
                    self.rest = rest;
                    part.to_owned()
                }
            };
            if part.is_empty() {
                return Err(self.error("a key is missing"));
            }
            path.push(part);
            if !self.eat(".") {
                return Ok(path);
            }
        }
    }

    /// A value: its parts up to the end of the line, a comma or a bracket.
    fn value(&mut self, depth: usize) -> Result<Value, HoconError> {
        if depth > DEPTH_MAX {
            return Err(self.error("values stand too deep in one another"));
        }
        let line = self.line;
        let mut parts: Vec<Value> = Vec::new();
        // Blanks between two texts belong to the value.
        let mut blank = String::new();
        loop {
            let here = self.line;
            let node = match self.peek() {
                None | Some('\n' | ',' | '}' | ']') => break,
                Some(_) if self.is_comment() => break,
                Some('{') => {
                    self.bump();
                    self.object(Some('}'), depth + 1)?.node
                }
                Some('[') => {
                    self.bump();
                    self.list(depth + 1)?
                }
                Some('"') => Node::Text(self.quoted()?),
                Some('$') if self.rest.starts_with("${") => self.reference()?,
                Some(c) if c.is_whitespace() => {
                    blank.push(c);
                    self.bump();
                    continue;
                }
                Some(_) => Node::Text(self.unquoted()?),
            };
            let is_text = matches!(node, Node::Text(_) | Node::Reference { .. });
            if !parts.is_empty() && is_text && !blank.is_empty() {
                parts.push(Value {
                    line: here,
                    node: Node::Text(std::mem::take(&mut blank)),
                });
            }
            blank.clear();
            parts.push(Value { line: here, node });
        }
        match parts.len() {
            0 => Err(self.error("a value is missing")),
            1 => parts.pop().ok_or_else(|| self.error("a value is missing")),
            _ => Ok(Value {
                line,
                node: Node::Joined(parts),
            }),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Node, HoconError> {
        let mut list = Vec::new();
        loop {
            self.skip_separators();
            match self.peek() {
                None => return Err(self.error("a list has no end")),
                Some(']') => {
                    self.bump();
                    return Ok(Node::List(list));
                }
                Some('}') => return Err(self.error("a list has no end")),
                Some(_) => list.push(self.value(depth + 1)?),
            }
        }
    }

    fn unquoted(&mut self) -> Result<String, HoconError> {
        let mut text = String::new();
        while let Some(c) = self.peek() {
            let is_end = c.is_whitespace() || ",{}[]\"$".contains(c) || self.is_comment();
            if is_end {
                break;
            }
            text.push(c);
            self.bump();
        }
        match text.is_empty() {
            // A dollar that begins no reference, for one.
            true => Err(self.error("a value must be quoted")),
            false => Ok(text),
        }
    }

    fn quoted(&mut self) -> Result<String, HoconError> {
        if self.eat("\"\"\"") {
            return self.raw();
        }
        self.bump();
        let mut text = String::new();
        loop {
            match self.bump() {
                None | Some('\n') => return Err(self.error("a text has no end")),
                Some('"') => return Ok(text),
                Some('\\') => text.push(self.escaped()?),
                Some(c) => text.push(c),
            }
        }
    }

    fn escaped(&mut self) -> Result<char, HoconError> {
        let unknown = "a text has an escape that is not known";
        Ok(match self.bump() {
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('b') => '\u{8}',
            Some('f') => '\u{C}',
            Some(c @ ('"' | '\\' | '/')) => c,
            Some('u') => {
                let (digits, rest) = self
                    .rest
                    .split_at_checked(4)
                    .ok_or_else(|| self.error(unknown))?;
                self.rest = rest;
                let code = u32::from_str_radix(digits, 16).ok();
                code.and_then(char::from_u32)
                    .ok_or_else(|| self.error(unknown))?
            }
            _ => return Err(self.error(unknown)),
        })
    }

    /// A text between three quotes, as it stands.
    fn raw(&mut self) -> Result<String, HoconError> {
        let Some(len) = self.rest.find("\"\"\"") else {
            return Err(self.error("a text has no end"));
        };
        let mut text = String::new();
        let end = self.rest.len() - len;
        while self.rest.len() > end {
            text.extend(self.bump());
        }
        self.eat("\"\"\"");
        // More quotes at the end belong to the text.
        while self.eat("\"") {
            text.push('"');
        }
        Ok(text)
    }

    fn reference(&mut self) -> Result<Node, HoconError> {
        self.eat("${");
        let is_optional = self.eat("?");
        let path = self.path()?;
        self.skip_in_line();
        match self.eat("}") {
            true => Ok(Node::Reference { path, is_optional }),
            false => Err(self.error("a reference has no end")),
        }
    }
}
