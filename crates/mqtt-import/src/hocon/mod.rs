//! HOCON as far as configurations use it: objects, lists, paths, comments, concatenation, references, with the line of
//! each value.
//!
//! Every value knows its line, which libraries do not tell: docs/decisions/0014-own-hocon-reader.md.

mod parse;
mod resolve;

pub(crate) use parse::parse;
pub(crate) use resolve::resolve;

/// A value with the line it begins in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Value {
    /// From 1.
    pub(crate) line: u32,
    pub(crate) node: Node,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Node {
    /// A text, a number, a flag, or `null`: which of them depends on who asks.
    Text(String),
    List(Vec<Value>),
    /// Keys in the order they were first named, each once.
    Object(Vec<(String, Value)>),
    /// `${path}`, to be replaced.
    Reference {
        path: Vec<String>,
        is_optional: bool,
    },
    /// Parts that become one value: texts joined, objects merged, lists appended.
    Joined(Vec<Value>),
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct HoconError {
    /// From 1.
    pub(crate) line: u32,
    pub(crate) what: String,
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Document {
    /// An object.
    pub(crate) root: Value,
    /// Files it includes, and where; they are not read.
    pub(crate) includes: Vec<(u32, String)>,
}

impl Value {
    /// The value at a path; none if there is no such key.
    pub(crate) fn at(&self, path: &[impl AsRef<str>]) -> Option<&Self> {
        let Some((first, rest)) = path.split_first() else {
            return Some(self);
        };
        let Node::Object(fields) = &self.node else {
            return None;
        };
        let field = fields.iter().find(|(key, _)| key == first.as_ref())?;
        field.1.at(rest)
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.node {
            Node::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Puts `value` at a path; objects are merged, anything else is replaced.
    pub(crate) fn put(&mut self, path: &[String], value: Value) {
        let Some((first, rest)) = path.split_first() else {
            return self.merge(value);
        };
        if !matches!(self.node, Node::Object(_)) {
            self.node = Node::Object(Vec::new());
            self.line = value.line;
        }
        let Node::Object(fields) = &mut self.node else {
            return;
        };
        match fields.iter_mut().find(|(key, _)| key == first) {
            Some((_, field)) => field.put(rest, value),
            None => {
                let mut field = Value {
                    line: value.line,
                    node: Node::Object(Vec::new()),
                };
                match rest {
                    [] => field = value,
                    rest => field.put(rest, value),
                }
                fields.push((first.clone(), field));
            }
        }
    }

    fn merge(&mut self, value: Value) {
        match (&mut self.node, value.node) {
            (Node::Object(_), Node::Object(fields)) => {
                for (key, field) in fields {
                    self.put(&[key], field);
                }
            }
            (_, node) => {
                self.line = value.line;
                self.node = node;
            }
        }
    }

    /// Calls `visitor` with each path that leads to something other than an object with keys.
    pub(crate) fn leaves<'a>(&'a self, visitor: &mut dyn FnMut(&[&'a str], &'a Value)) {
        let mut path = Vec::new();
        self.walk(&mut path, visitor);
    }

    fn walk<'a>(&'a self, path: &mut Vec<&'a str>, visitor: &mut dyn FnMut(&[&'a str], &'a Value)) {
        match &self.node {
            Node::Object(fields) if !fields.is_empty() || path.is_empty() => {
                for (key, field) in fields {
                    path.push(key);
                    field.walk(path, visitor);
                    path.pop();
                }
            }
            _ => visitor(path, self),
        }
    }
}
