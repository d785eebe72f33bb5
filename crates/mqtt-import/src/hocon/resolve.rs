//! References are replaced by what they name, parts joined.

use super::{Node, Value};

/// How often a reference may lead to another.
const STEPS_MAX: usize = 16;
/// Values made from references altogether, so that a small text does not become a large one.
const VALUES_MAX: usize = 100_000;

/// Replaces all references; those that name nothing are told with their line and become an empty text.
pub(crate) fn resolve(root: &mut Value) -> Vec<(u32, String)> {
    let whole = root.clone();
    let mut resolver = Resolver {
        whole: &whole,
        unknown: Vec::new(),
        left: VALUES_MAX,
    };
    resolver.value(root, 0);
    resolver.unknown
}

struct Resolver<'a> {
    whole: &'a Value,
    unknown: Vec<(u32, String)>,
    left: usize,
}

impl Resolver<'_> {
    fn value(&mut self, value: &mut Value, steps: usize) {
        match &mut value.node {
            Node::Text(_) => {}
            Node::List(list) => {
                for element in list {
                    self.value(element, steps);
                }
            }
            Node::Object(fields) => {
                for (_, field) in fields {
                    self.value(field, steps);
                }
            }
            Node::Reference { path, is_optional } => {
                let (path, is_optional) = (std::mem::take(path), *is_optional);
                value.node = self.named(&path, is_optional, value.line, steps);
            }
            Node::Joined(parts) => {
                let mut parts = std::mem::take(parts);
                for part in &mut parts {
                    self.value(part, steps);
                }
                value.node = joined(parts);
            }
        }
    }

    fn named(&mut self, path: &[String], is_optional: bool, line: u32, steps: usize) -> Node {
        let found = self.whole.at(path).filter(|_| steps < STEPS_MAX);
        let size = found.map_or(0, size);
        if let Some(found) = found.filter(|_| size <= self.left) {
            self.left -= size;
            let mut copy = found.clone();
            self.value(&mut copy, steps + 1);
            return copy.node;
        }
        if !is_optional {
            self.unknown.push((line, path.join(".")));
        }
        Node::Text(String::new())
    }
}

fn size(value: &Value) -> usize {
    match &value.node {
        Node::Text(_) | Node::Reference { .. } => 1,
        Node::List(values) | Node::Joined(values) => 1 + values.iter().map(size).sum::<usize>(),
        Node::Object(fields) => 1 + fields.iter().map(|(_, field)| size(field)).sum::<usize>(),
    }
}

fn joined(parts: Vec<Value>) -> Node {
    let mut all = parts.into_iter();
    let Some(mut first) = all.next() else {
        return Node::Text(String::new());
    };
    for part in all {
        match (&mut first.node, part.node) {
            (Node::Text(text), Node::Text(more)) => text.push_str(&more),
            (Node::List(list), Node::List(more)) => list.extend(more),
            (Node::Object(_), Node::Object(fields)) => {
                for (key, field) in fields {
                    first.put(&[key], field);
                }
            }
            // What does not fit replaces what was before, unless it is nothing but blanks.
            (_, Node::Text(blank)) if blank.trim().is_empty() => {}
            (_, node) => first.node = node,
        }
    }
    first.node
}
