//! The lines of the tree that are to be seen, from the top.

use crate::tree::{NodeId, Tree};

/// One line of the tree.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Row {
    pub(crate) id: NodeId,
    /// Levels above it.
    pub(crate) depth: usize,
}

/// What is below nodes that are open; with a `filter` all topics that have it in their name.
pub(crate) fn rows(tree: &Tree, filter: &str) -> Vec<Row> {
    let matching = (!filter.is_empty()).then(|| tree.topics_with(filter));
    let is_shown = |id: &NodeId| {
        let matching = matching.as_ref();
        matching.is_none_or(|matching| matching.get(id.index()).copied().unwrap_or_default())
    };
    let mut rows = Vec::new();
    let mut open: Vec<Row> = tree.roots().map(|id| Row { id, depth: 0 }).collect();
    open.reverse();
    while let Some(row) = open.pop() {
        if !is_shown(&row.id) {
            continue;
        }
        rows.push(row);
        let Some(node) = tree.node(row.id) else {
            continue;
        };
        if node.is_expanded || matching.is_some() {
            let depth = row.depth + 1;
            open.extend(
                node.children
                    .values()
                    .rev()
                    .map(|id| Row { id: *id, depth }),
            );
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Received;
    use crate::tree::Limits;

    fn tree(topic_names: &[&str]) -> Tree {
        let mut tree = Tree::new(Limits::default());
        for topic_name in topic_names {
            tree.receive(&Received {
                topic_name: (*topic_name).to_owned(),
                ..Received::default()
            });
        }
        tree
    }

    fn names(tree: &Tree, filter: &str) -> Vec<String> {
        let rows = rows(tree, filter);
        rows.iter().map(|row| tree.topic_name(row.id)).collect()
    }

    #[test]
    fn what_is_closed_hides_what_is_below() {
        let mut tree = tree(&["b", "a/y", "a/x"]);
        assert_eq!(names(&tree, ""), ["a", "b"]);
        tree.set_all_expanded(true);
        assert_eq!(names(&tree, ""), ["a", "a/x", "a/y", "b"]);
    }

    #[test]
    fn a_filter_opens_what_has_it() {
        let tree = tree(&["house/Kitchen/light", "house/hall", "kitchen"]);
        assert_eq!(
            names(&tree, "kitchen"),
            ["house", "house/Kitchen", "house/Kitchen/light", "kitchen"]
        );
        assert_eq!(
            names(&tree, "n/l"),
            ["house", "house/Kitchen", "house/Kitchen/light"]
        );
        assert!(names(&tree, "cellar").is_empty());
    }

    #[test]
    fn many_levels_are_no_problem() {
        let deep = ["a"; 20_000].join("/");
        let mut tree = tree(&[&deep]);
        tree.set_all_expanded(true);
        assert_eq!(rows(&tree, "").len(), 20_000);
        assert_eq!(rows(&tree, "a").len(), 20_000);
    }
}
