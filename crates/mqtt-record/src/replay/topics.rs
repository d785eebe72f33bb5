//! Topics of a recording as they are published.

/// What becomes of the topics of a recording.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Topics {
    /// Levels at the start of a topic and what stands in their place, tried in order.
    pub rewrites: Vec<(String, String)>,
    /// What is put in front of every topic, as it is.
    pub prefix: String,
}

impl Topics {
    /// The topic that a recorded one is published to.
    #[must_use]
    pub fn of(&self, topic_name: &str) -> String {
        let rewritten = self.rewrites.iter().find_map(|(from, to)| {
            let rest = topic_name.strip_prefix(from.as_str())?;
            // Whole levels only: `a/b` is not the start of `a/bc`.
            let is_whole = rest.is_empty() || rest.starts_with('/') || from.ends_with('/');
            is_whole.then(|| format!("{to}{rest}"))
        });
        let topic_name = rewritten.as_deref().unwrap_or(topic_name);
        format!("{}{topic_name}", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_rewritten_and_a_prefix_is_put_in_front() {
        let topics = Topics {
            rewrites: vec![
                ("a/b".to_owned(), "x".to_owned()),
                ("a".to_owned(), "y/z".to_owned()),
                ("c/".to_owned(), String::new()),
            ],
            prefix: "test/".to_owned(),
        };
        for (from, to) in [
            ("a/b/c", "test/x/c"),
            ("a/b", "test/x"),
            ("a/bc", "test/y/z/bc"),
            ("ab", "test/ab"),
            ("c/d", "test/d"),
            ("other", "test/other"),
        ] {
            assert_eq!(topics.of(from), to);
        }
        assert_eq!(Topics::default().of("a/b"), "a/b");
    }
}
