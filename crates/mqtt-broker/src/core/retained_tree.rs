//! Retained messages by Topic Name, found by Topic Filter.
//!
//! A tree of small nodes that name each other by number: a child is found by its level through
//! one hash table for the whole tree, or by going through the children, which are linked.
//! Searches go down and come back up along these links, so that they need neither recursion nor
//! a stack whose depth a peer decides.

use super::topic_tree::levels::{self, Child, Edges, End, Levels, NONE, Slab};

#[cfg(test)]
pub(crate) mod tests;

/// Above all names that do not start with `$`.
const ROOT: u32 = 0;
/// Above the names that do: a search with a wildcard in front does not come here.
const SYSTEM_ROOT: u32 = 1;

/// One value for each Topic Name.
///
/// `T` should be small, such as an `Arc`: nodes between names have room for one too.
/// Names and filters are taken as already validated.
///
/// Spec: v5 §3.3.1.3, v5 §4.7, v3.1.1 §3.3.1.3, v3.1.1 §4.7.
#[derive(Clone, Debug)]
pub(crate) struct RetainedTree<T> {
    nodes: Slab<Node<T>>,
    /// INVARIANT: the nodes that have siblings.
    edges: Edges,
    levels: Levels,
    /// INVARIANT: the number of nodes with a value.
    len: usize,
    /// Nodes that have become useless and were not removed, because of searches; some of them more than once,
    /// or useful again, or gone.
    bare: Vec<u32>,
}

#[derive(Clone, Debug)]
struct Node<T> {
    parent: u32,
    level: u32,
    first_child: u32,
    /// The neighbours among the children of `parent`.
    next: u32,
    previous: u32,
    value: Option<T>,
}

/// A search that can be left and gone on with, as long as no node is removed meanwhile.
#[derive(Debug)]
pub(crate) struct Search {
    steps: Vec<Step>,
    end: End,
    /// Where it is.
    node: u32,
    /// How many levels `node` is below the root the search began at.
    depth: usize,
    /// Whether everything below `node` has been visited.
    is_leaving: bool,
}

/// A level of a Topic Filter in a search.
#[derive(Debug)]
enum Step {
    Level(u32),
    Any,
}

impl<T> RetainedTree<T> {
    /// A tree without values.
    pub(crate) fn new() -> Self {
        let mut nodes = Slab::new();
        nodes.insert(Node::default());
        nodes.insert(Node::default());
        Self {
            nodes,
            edges: Edges::new(),
            levels: Levels::new(),
            len: 0,
            bare: Vec::new(),
        }
    }

    /// The number of Topic Names with a value.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Everything held: nodes, edges, levels. 0 when the tree is empty.
    #[cfg(test)]
    pub(crate) fn entry_count(&self) -> usize {
        self.nodes.len() - 2 + self.edges.len() + self.levels.len()
    }

    /// Sets the value of a Topic Name and returns the one it had.
    pub(crate) fn insert(&mut self, topic_name: &str, value: T) -> Option<T> {
        let mut node = root_of(topic_name);
        for level in levels::split(topic_name) {
            node = self.child_or_insert(node, level);
        }
        let replaced = self.nodes[node].value.replace(value);
        self.len += usize::from(replaced.is_none());
        replaced
    }

    /// Removes the value of a Topic Name and returns it.
    pub(crate) fn remove(&mut self, topic_name: &str) -> Option<T> {
        let node = self.locate(topic_name)?;
        let removed = self.nodes[node].value.take()?;
        self.len -= 1;
        self.prune(node);
        self.compact_sparse();
        Some(removed)
    }

    /// Removes the value of a Topic Name as `remove` does, but no node: searches can go on.
    pub(crate) fn remove_value(&mut self, topic_name: &str) -> Option<T> {
        let node = self.locate(topic_name)?;
        let removed = self.nodes[node].value.take()?;
        self.len -= 1;
        if self.nodes[node].is_bare() {
            self.bare.push(node);
        }
        Some(removed)
    }

    /// How many nodes may be waiting to be removed.
    pub(crate) fn bare_len(&self) -> usize {
        self.bare.len()
    }

    /// Removes up to `count` of the nodes that `remove_value` has left; no search may be under way.
    pub(crate) fn remove_bare(&mut self, count: usize) {
        let left = self.bare.len().saturating_sub(count);
        for node in self.bare.split_off(left) {
            // One that is gone already has no parent.
            if self.nodes[node].parent != NONE {
                self.prune(node);
            }
        }
        if self.bare.is_empty() {
            self.bare = Vec::new();
            self.compact_sparse();
        }
    }

    /// The value of a Topic Name.
    pub(crate) fn find(&self, topic_name: &str) -> Option<&T> {
        self.nodes[self.locate(topic_name)?].value.as_ref()
    }

    /// Visits the value of each Topic Name that `topic_filter` matches, in no particular order.
    ///
    /// Spec: v5 §4.7.1, v5 [MQTT-4.7.2-1], v3.1.1 §4.7.1, v3.1.1 [MQTT-4.7.2-1].
    pub(crate) fn matches(&self, topic_filter: &str, visit: impl FnMut(&T)) {
        if let Some(mut search) = self.begin_search(topic_filter) {
            self.go_on(&mut search, usize::MAX, visit);
        }
    }

    /// Begins what `matches` does; none when nothing matches.
    pub(crate) fn begin_search(&self, topic_filter: &str) -> Option<Search> {
        let (path, end) = levels::split_end(topic_filter);
        let mut steps = Vec::new();
        for level in path.into_iter().flat_map(levels::split) {
            steps.push(match level {
                "+" => Step::Any,
                level => Step::Level(self.levels.find(level)?),
            });
        }
        Some(Search {
            steps,
            end,
            node: root_of(topic_filter),
            depth: 0,
            is_leaving: false,
        })
    }

    /// Goes on with a search for up to `moves` from node to node; whether there is more to search.
    ///
    /// Values that come meanwhile may be visited or not, what was there and stays is visited once.
    pub(crate) fn go_on(
        &self,
        search: &mut Search,
        moves: usize,
        mut visit: impl FnMut(&T),
    ) -> bool {
        let Search {
            steps,
            end,
            node,
            depth,
            is_leaving,
        } = search;
        let goes_deep = *end == End::MultiLevel;
        for _ in 0..moves {
            if !*is_leaving {
                let here = &self.nodes[*node];
                let child = match steps.get(*depth) {
                    Some(Step::Level(level)) => self.child(*node, *level),
                    Some(Step::Any) => here.first_child,
                    None => {
                        if let Some(value) = &here.value {
                            visit(value);
                        }
                        if goes_deep { here.first_child } else { NONE }
                    }
                };
                if child == NONE {
                    *is_leaving = true;
                } else {
                    *node = child;
                    *depth += 1;
                    continue;
                }
            }
            // Back to the last step that has another way to go.
            let Some(before) = depth.checked_sub(1) else {
                return false;
            };
            let Node { parent, next, .. } = self.nodes[*node];
            if next != NONE && !matches!(steps.get(before), Some(Step::Level(_))) {
                *node = next;
                *is_leaving = false;
            } else {
                *node = parent;
                *depth = before;
            }
        }
        true
    }

    /// Visits the values at up to `places` places from `from` on; the place to go on at, none at the end.
    ///
    /// Places are numbers without meaning; changes of the tree may move values between them.
    pub(crate) fn scan(&self, from: u32, places: usize, mut visit: impl FnMut(&T)) -> Option<u32> {
        let behind = self.nodes.iter().skip(usize::try_from(from).ok()?);
        for (seen, (id, node)) in behind.enumerate() {
            if seen == places {
                return Some(id);
            }
            if let Some(value) = &node.value {
                visit(value);
            }
        }
        None
    }

    fn child_or_insert(&mut self, parent: u32, text: &str) -> u32 {
        let existing = self
            .levels
            .find(text)
            .map_or(NONE, |level| self.child(parent, level));
        if existing != NONE {
            return existing;
        }
        let level = self.levels.acquire(text);
        let next = self.nodes[parent].first_child;
        let child = self.nodes.insert(Node {
            parent,
            level,
            next,
            ..Node::default()
        });
        self.nodes[parent].first_child = child;
        if next != NONE {
            self.nodes[next].previous = child;
            if self.nodes[next].next == NONE {
                self.edges.insert(&self.nodes, &self.levels, next);
            }
            self.edges.insert(&self.nodes, &self.levels, child);
        }
        child
    }

    /// The child for a level, or `NONE`.
    fn child(&self, parent: u32, level: u32) -> u32 {
        let first = self.nodes[parent].first_child;
        if first == NONE || self.nodes[first].level == level {
            first
        } else if self.nodes[first].next == NONE {
            NONE
        } else {
            let found = self.edges.find(&self.nodes, &self.levels, parent, level);
            found.unwrap_or(NONE)
        }
    }

    fn locate(&self, topic_name: &str) -> Option<u32> {
        let mut node = root_of(topic_name);
        for level in levels::split(topic_name) {
            node = self.child(node, self.levels.find(level)?);
            if node == NONE {
                return None;
            }
        }
        Some(node)
    }

    /// Removes `node` if it has neither value nor children, then its parent, and so on.
    fn prune(&mut self, mut node: u32) {
        while node > SYSTEM_ROOT && self.nodes[node].is_bare() {
            let Node {
                parent,
                level,
                next,
                previous,
                ..
            } = self.nodes[node];
            if next != NONE || previous != NONE {
                self.edges.remove(&self.nodes, &self.levels, node);
            }
            if next != NONE {
                self.nodes[next].previous = previous;
            }
            if previous == NONE {
                self.nodes[parent].first_child = next;
            } else {
                self.nodes[previous].next = next;
            }
            let first = self.nodes[parent].first_child;
            if first != NONE && self.nodes[first].next == NONE {
                self.edges.remove(&self.nodes, &self.levels, first);
            }
            self.levels.release(level);
            self.nodes.remove(node);
            node = parent;
        }
    }

    /// Gives memory back after many removals; its cost is spread over them.
    fn compact_sparse(&mut self) {
        let visits = self.nodes.places();
        if self.nodes.is_sparse(visits) || self.levels.is_sparse(visits) {
            let moved = self.nodes.compact();
            let moved_levels = self.levels.compact();
            for node in self.nodes.iter_mut() {
                moved.apply(&mut node.parent);
                moved.apply(&mut node.first_child);
                moved.apply(&mut node.next);
                moved.apply(&mut node.previous);
                moved_levels.apply(&mut node.level);
            }
            self.edges.renumber(&self.nodes, &self.levels, &moved);
        }
    }
}

impl<T> Child for Node<T> {
    fn parent(&self) -> u32 {
        self.parent
    }

    fn level(&self) -> u32 {
        self.level
    }
}

impl<T> Node<T> {
    fn is_bare(&self) -> bool {
        self.value.is_none() && self.first_child == NONE
    }
}

impl<T> Default for Node<T> {
    fn default() -> Self {
        Self {
            parent: NONE,
            level: NONE,
            first_child: NONE,
            next: NONE,
            previous: NONE,
            value: None,
        }
    }
}

fn root_of(topic: &str) -> u32 {
    if topic.starts_with('$') {
        SYSTEM_ROOT
    } else {
        ROOT
    }
}
