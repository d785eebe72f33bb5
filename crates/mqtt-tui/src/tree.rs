//! The topics that had a message, as a tree, with what came on each.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::message::{Kept, Received};
use crate::rate::Rate;

/// How much is kept; each bound is told when it is reached.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Topics, and levels above them, in the tree. Messages of further topics are counted only.
    pub nodes_max: usize,
    /// Bytes of their names. Messages of further topics are counted only.
    pub names_max: usize,
    /// Messages of one topic; the oldest are given up.
    pub history_max: usize,
    /// Bytes of one payload; of a longer one its first bytes are kept.
    pub payload_max: usize,
    /// Bytes of all messages that are kept; when it is reached only the last message of each topic stays.
    pub bytes_max: usize,
}

impl Default for Limits {
    /// 100,000 nodes, 16 MiB of names, 100 messages of a topic, 64 KiB of a payload, 64 MiB of messages.
    fn default() -> Self {
        Self {
            nodes_max: 100_000,
            names_max: 16 << 20,
            history_max: 100,
            payload_max: 64 << 10,
            bytes_max: 64 << 20,
        }
    }
}

/// Bytes of each last payload that stay when even these are too many.
const SHORT_PAYLOAD: usize = 128;

/// A place in the tree.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct NodeId(usize);

impl NodeId {
    /// Its place among all nodes.
    pub(crate) const fn index(self) -> usize {
        self.0
    }
}

/// One level of a topic.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) name: Box<str>,
    parent: Option<NodeId>,
    pub(crate) children: BTreeMap<Box<str>, NodeId>,
    pub(crate) is_expanded: bool,
    /// Messages of this topic.
    pub(crate) here: u64,
    /// Messages of this topic and those below it.
    pub(crate) below: u64,
    /// Topics at or below it that had a message.
    pub(crate) topics: u32,
    pub(crate) rate: Rate,
    /// What came on this topic, the oldest first.
    pub(crate) history: VecDeque<Kept>,
}

/// All topics.
#[derive(Debug)]
pub(crate) struct Tree {
    /// INVARIANT: an id is a place in it, nothing is ever taken out, and a parent comes before its children.
    nodes: Vec<Node>,
    roots: BTreeMap<Box<str>, NodeId>,
    limits: Limits,
    /// Of names.
    name_bytes: usize,
    bytes: usize,
    topics: u32,
    /// Messages of topics that found no room.
    left_out: u64,
    /// How often history was given up for room.
    sweeps: u64,
}

impl Tree {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            nodes: Vec::new(),
            roots: BTreeMap::new(),
            limits,
            name_bytes: 0,
            bytes: 0,
            topics: 0,
            left_out: 0,
            sweeps: 0,
        }
    }

    /// Takes a message in; whether the tree has a new node now.
    pub(crate) fn receive(&mut self, message: &Received) -> bool {
        let before = self.nodes.len();
        let Some(id) = self.find_or_add(&message.topic_name) else {
            self.left_out += 1;
            return self.nodes.len() > before;
        };
        let kept = Kept::of(message, self.limits.payload_max);
        let history_max = self.limits.history_max;
        let mut is_first = false;
        if let Some(node) = self.nodes.get_mut(id.0) {
            is_first = node.here == 0;
            node.here += 1;
            self.bytes += kept.size();
            node.history.push_back(kept);
            while node.history.len() > history_max {
                let oldest = node.history.pop_front();
                self.bytes -= oldest.map_or(0, |oldest| oldest.size());
            }
        }
        self.topics += u32::from(is_first);
        let mut at = Some(id);
        while let Some(node) = at.and_then(|id| self.nodes.get_mut(id.0)) {
            node.below += 1;
            node.topics += u32::from(is_first);
            node.rate.note(message.at);
            at = node.parent;
        }
        if self.bytes > self.limits.bytes_max {
            self.sweep();
        }
        self.nodes.len() > before
    }

    /// The node of a topic; `None` when there is no room for it.
    fn find_or_add(&mut self, topic_name: &str) -> Option<NodeId> {
        let mut parent = None;
        for level in topic_name.split('/') {
            let siblings = match parent {
                None => &self.roots,
                Some(NodeId(parent)) => &self.nodes.get(parent)?.children,
            };
            parent = Some(match siblings.get(level) {
                Some(id) => *id,
                None => self.add(parent, level)?,
            });
        }
        parent
    }

    fn add(&mut self, parent: Option<NodeId>, level: &str) -> Option<NodeId> {
        let name_bytes = self.name_bytes + level.len();
        if self.nodes.len() >= self.limits.nodes_max || name_bytes > self.limits.names_max {
            return None;
        }
        self.name_bytes = name_bytes;
        let id = NodeId(self.nodes.len());
        self.nodes.push(Node {
            name: level.into(),
            parent,
            children: BTreeMap::new(),
            is_expanded: false,
            here: 0,
            below: 0,
            topics: 0,
            rate: Rate::default(),
            history: VecDeque::new(),
        });
        let siblings = match parent {
            None => &mut self.roots,
            Some(NodeId(parent)) => &mut self.nodes.get_mut(parent)?.children,
        };
        siblings.insert(level.into(), id);
        Some(id)
    }

    /// Gives up all history but the last message of each topic, and what is long of these when
    /// they are still too many.
    fn sweep(&mut self) {
        self.sweeps += 1;
        self.bytes = 0;
        for node in &mut self.nodes {
            let last = node.history.pop_back();
            node.history.clear();
            self.bytes += last.as_ref().map_or(0, Kept::size);
            node.history.extend(last);
        }
        if self.bytes <= self.limits.bytes_max / 2 {
            return;
        }
        self.bytes = 0;
        for last in self.nodes.iter_mut().flat_map(|node| &mut node.history) {
            last.shorten(SHORT_PAYLOAD);
            self.bytes += last.size();
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0)
    }

    pub(crate) fn set_expanded(&mut self, id: NodeId, is_expanded: bool) {
        if let Some(node) = self.nodes.get_mut(id.0) {
            node.is_expanded = is_expanded;
        }
    }

    /// Opens or closes every node.
    pub(crate) fn set_all_expanded(&mut self, is_expanded: bool) {
        for node in &mut self.nodes {
            node.is_expanded = is_expanded && !node.children.is_empty();
        }
    }

    pub(crate) fn roots(&self) -> impl Iterator<Item = NodeId> {
        self.roots.values().copied()
    }

    pub(crate) fn parent(&self, id: NodeId) -> Option<NodeId> {
        self.node(id)?.parent
    }

    /// The Topic Name of a node.
    pub(crate) fn topic_name(&self, id: NodeId) -> String {
        let mut levels = Vec::new();
        let mut at = Some(id);
        while let Some(node) = at.and_then(|id| self.node(id)) {
            levels.push(&*node.name);
            at = node.parent;
        }
        levels.reverse();
        levels.join("/")
    }

    /// For each node whether it is a topic with `text` in its name, letters of either size, or above one.
    pub(crate) fn topics_with(&self, text: &str) -> Vec<bool> {
        let text = text.to_lowercase();
        let mut has_it: Vec<bool> = (0..self.nodes.len())
            .map(NodeId)
            .map(|id| {
                let is_topic = self.node(id).is_some_and(|node| node.here > 0);
                is_topic && self.topic_name(id).to_lowercase().contains(&text)
            })
            .collect();
        for (at, node) in self.nodes.iter().enumerate().rev() {
            let Some(parent) = node.parent else { continue };
            if has_it.get(at).copied().unwrap_or_default()
                && let Some(above) = has_it.get_mut(parent.0)
            {
                *above = true;
            }
        }
        has_it
    }

    /// Every node from the top, as if all were open.
    pub(crate) fn in_order(&self) -> Vec<NodeId> {
        let mut all = Vec::with_capacity(self.nodes.len());
        let mut open: Vec<NodeId> = self.roots.values().rev().copied().collect();
        while let Some(id) = open.pop() {
            all.push(id);
            if let Some(node) = self.node(id) {
                open.extend(node.children.values().rev());
            }
        }
        all
    }

    /// Topics that had a message.
    pub(crate) fn topics(&self) -> u32 {
        self.topics
    }

    /// Bytes kept, about.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Messages whose topic found no room.
    pub(crate) fn left_out(&self) -> u64 {
        self.left_out
    }

    /// How often history was given up for room.
    pub(crate) fn sweeps(&self) -> u64 {
        self.sweeps
    }
}

impl Node {
    pub(crate) fn last(&self) -> Option<&Kept> {
        self.history.back()
    }

    pub(crate) fn per_second(&self, now: Duration) -> f64 {
        self.rate.per_second(now)
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn message(topic_name: &str, payload: &[u8]) -> Received {
        Received {
            topic_name: topic_name.to_owned(),
            payload: Bytes::copy_from_slice(payload),
            ..Received::default()
        }
    }

    fn limits() -> Limits {
        Limits {
            nodes_max: 4,
            names_max: 100,
            history_max: 2,
            payload_max: 200,
            bytes_max: 4_000,
        }
    }

    fn id(tree: &mut Tree, topic_name: &str) -> NodeId {
        tree.find_or_add(topic_name).expect("there is room")
    }

    #[test]
    fn levels_above_count_what_is_below() {
        let mut tree = Tree::new(Limits::default());
        for topic_name in ["a/b", "a/b", "a/c", "a", "/x"] {
            tree.receive(&message(topic_name, b"1"));
        }
        let a = id(&mut tree, "a");
        let node = tree.node(a).expect("it is there");
        assert_eq!((node.here, node.below, node.topics), (1, 4, 3));
        let x = id(&mut tree, "/x");
        assert_eq!(tree.topic_name(x), "/x");
        assert_eq!(tree.topics(), 4);
    }

    #[test]
    fn only_the_newest_of_a_topic_are_kept() {
        let mut tree = Tree::new(limits());
        for payload in [b"1", b"2", b"3"] {
            tree.receive(&message("a", payload));
        }
        let a = id(&mut tree, "a");
        let node = tree.node(a).expect("it is there");
        let kept: Vec<_> = node
            .history
            .iter()
            .map(|kept| kept.payload.clone())
            .collect();
        assert_eq!(kept, ["2", "3"]);
        let sizes: usize = node.history.iter().map(Kept::size).sum();
        assert_eq!(tree.bytes(), sizes);
    }

    #[test]
    fn a_topic_without_room_is_counted() {
        let mut tree = Tree::new(limits());
        assert!(tree.receive(&message("a/b/c/d", b"1")));
        assert!(!tree.receive(&message("e", b"1")));
        assert!(!tree.receive(&message("a/b/c/d", b"1")));
        assert_eq!((tree.topics(), tree.left_out()), (1, 1));
    }

    #[test]
    fn names_have_a_bound_of_their_own() {
        let mut tree = Tree::new(limits());
        assert!(tree.receive(&message(&"n".repeat(90), b"1")));
        assert!(!tree.receive(&message(&"m".repeat(11), b"1")));
        assert!(tree.receive(&message("short", b"1")));
        assert_eq!((tree.topics(), tree.left_out()), (2, 1));
    }

    #[test]
    fn properties_give_way_too() {
        let mut tree = Tree::new(limits());
        let user = ("user property a".to_owned(), "v".repeat(1_000));
        for topic_name in ["a", "b", "c", "d"].into_iter().cycle().take(400) {
            tree.receive(&Received {
                properties: vec![user.clone(); 2],
                ..message(topic_name, b"1")
            });
        }
        assert!(tree.bytes() <= 4_000, "{}", tree.bytes());
        assert!(tree.sweeps() < 300, "{}", tree.sweeps());
    }

    #[test]
    fn a_long_payload_is_kept_in_part() {
        let mut tree = Tree::new(limits());
        tree.receive(&message("a", &[7; 300]));
        let a = id(&mut tree, "a");
        let last = tree.node(a).and_then(Node::last).expect("it came");
        assert_eq!(
            (last.payload.len(), last.len, last.is_whole()),
            (200, 300, false)
        );
    }

    #[test]
    fn history_gives_way_when_all_of_it_is_too_much() {
        let mut tree = Tree::new(Limits {
            history_max: 1_000,
            ..limits()
        });
        for _ in 0..1_000 {
            tree.receive(&message("a", &[7; 100]));
            tree.receive(&message("b", &[7; 100]));
            assert!(tree.bytes() <= 4_000 + 1_000);
        }
        assert!(tree.sweeps() > 0);
        let a = id(&mut tree, "a");
        assert!(tree.node(a).and_then(Node::last).is_some());
    }
}
