//! Topics that become others by rules of the configuration.

use super::placeholders::{fill, of_client};
use crate::access::ClientInfo;
use crate::config::{Rewrite, RewriteAction};
use mqtt_codec::{TopicFilter, TopicName};
use regex::Regex;

/// The rules, by where they apply.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Rewriter {
    publish: Vec<Rule>,
    subscribe: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    source_topic: Box<str>,
    re: Regex,
    dest_topic: Box<str>,
}

impl PartialEq for Rule {
    fn eq(&self, other: &Self) -> bool {
        self.re.as_str() == other.re.as_str()
            && (&self.source_topic, &self.dest_topic) == (&other.source_topic, &other.dest_topic)
    }
}

/// What a topic was to become is none.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct NotRewritable;

impl Rewriter {
    pub(crate) fn new(rules: &[Rewrite]) -> Self {
        let of = |other: RewriteAction| {
            let rules = rules
                .iter()
                .filter(move |rule| rule.action != other)
                .map(|rule| Rule {
                    source_topic: rule.source_topic.as_str().into(),
                    re: rule.re.clone(),
                    dest_topic: rule.dest_topic.as_str().into(),
                });
            rules.collect()
        };
        Self {
            publish: of(RewriteAction::Subscribe),
            subscribe: of(RewriteAction::Publish),
        }
    }

    /// Whether there are rules for PUBLISH.
    pub(crate) fn has_publish_rules(&self) -> bool {
        !self.publish.is_empty()
    }

    /// What a published topic becomes; none when it stays.
    pub(crate) fn publish(
        &self,
        client: &ClientInfo,
        topic_name: &str,
    ) -> Result<Option<String>, NotRewritable> {
        let rewritten = rewrite(&self.publish, client, topic_name)?;
        match rewritten.as_deref().map(TopicName::try_new) {
            Some(Err(_)) => Err(NotRewritable),
            _ => Ok(rewritten),
        }
    }

    /// What a Topic Filter to subscribe to, or to unsubscribe from, becomes; none when it stays.
    pub(crate) fn subscribe(
        &self,
        client: &ClientInfo,
        topic_filter: &str,
    ) -> Result<Option<String>, NotRewritable> {
        let rewritten = rewrite(&self.subscribe, client, topic_filter)?;
        match rewritten.as_deref().map(TopicFilter::try_new) {
            Some(Err(_)) => Err(NotRewritable),
            _ => Ok(rewritten),
        }
    }
}

/// The first rule whose filter matches decides, also that nothing changes.
fn rewrite(
    rules: &[Rule],
    client: &ClientInfo,
    topic: &str,
) -> Result<Option<String>, NotRewritable> {
    let rule = rules.iter().find(|rule| covers(&rule.source_topic, topic));
    let Some((rule, found)) = rule.and_then(|rule| Some((rule, rule.re.captures(topic)?))) else {
        return Ok(None);
    };
    let template = fill(&rule.dest_topic, |name| of_client(client, name));
    let template = template.map_err(|_| NotRewritable)?;
    let mut rewritten = String::new();
    let mut rest = template.as_str();
    while let Some((before, behind)) = rest.split_once('$') {
        rewritten.push_str(before);
        let digits = behind
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(behind.len());
        let (number, after) = behind.split_at_checked(digits).unwrap_or((behind, ""));
        match number.parse::<usize>() {
            Ok(group) => rewritten.push_str(found.get(group).map_or("", |found| found.as_str())),
            Err(_) => rewritten.push('$'),
        }
        rest = after;
    }
    rewritten.push_str(rest);
    Ok(Some(rewritten))
}

/// Whether the filter `source` covers `topic`, which may be a filter itself and then counts by its letters.
fn covers(source: &str, topic: &str) -> bool {
    // Spec: v5 [MQTT-4.7.2-1]: a wildcard at the beginning does not stand for a level with $.
    if topic.starts_with('$') && source.starts_with(['+', '#']) {
        return false;
    }
    let (mut source, mut topic) = (source.split('/'), topic.split('/'));
    loop {
        match (source.next(), topic.next()) {
            (Some("#"), _) | (None, None) => return true,
            (Some("+"), Some(_)) => {}
            (Some(expected), Some(found)) if expected == found => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn client(client_id: &str, username: Option<&str>) -> ClientInfo {
        ClientInfo {
            client_id: client_id.into(),
            username: username.map(Into::into),
            peer: "127.0.0.1:1".parse().unwrap(),
            version: mqtt_codec::ProtocolVersion::ALL[0],
            listener: "default".into(),
            superuser: false,
            attributes: None,
            rules: None,
            identity: None,
            certificate: None,
        }
    }

    fn rewriter(rules: &str) -> Rewriter {
        Rewriter::new(&Config::from_toml(rules, "t").unwrap().rewrite)
    }

    const RULES: &str = r##"
        [[rewrite]]
        source_topic = "y/+/z/#"
        re = "^y/(.+)/z/(.+)$"
        dest_topic = "y/z/$2"
        [[rewrite]]
        source_topic = "x/#"
        re = "^x/y/(\\d+)$"
        dest_topic = "z/y/$1"
        [[rewrite]]
        source_topic = "x/y/+"
        re = "^x/y/(.+)$"
        dest_topic = "never/$1"
        [[rewrite]]
        action = "publish"
        source_topic = "up"
        re = "^up$"
        dest_topic = "from/${username}/${clientid}/$9end"
    "##;

    #[test]
    fn the_first_rule_whose_filter_matches_decides() {
        let (rules, client) = (rewriter(RULES), client("c", Some("u")));
        for (topic, expected) in [
            ("y/def", None),
            ("y/a/z/b", Some("y/z/b")),
            ("x/1/2", None),
            ("x/y/2", Some("z/y/2")),
            ("x/y/z", None),
            ("up", Some("from/u/c/end")),
        ] {
            assert_eq!(
                rules.publish(&client, topic).unwrap().as_deref(),
                expected,
                "{topic}"
            );
        }
        assert_eq!(rules.subscribe(&client, "up"), Ok(None));
        assert_eq!(
            rules.subscribe(&client, "y/a/z/#"),
            Ok(Some("y/z/#".to_owned()))
        );
    }

    #[test]
    fn what_a_client_calls_itself_makes_no_other_topic() {
        let rules = rewriter(RULES);
        for name in ["a/b", "#", "+"] {
            assert_eq!(rules.publish(&client(name, None), "up"), Err(NotRewritable));
        }
    }

    #[test]
    fn what_becomes_no_topic_is_refused() {
        let rules = rewriter(
            "rewrite = [{source_topic = \"a/#\", re = \"^a/(.*)$\", dest_topic = \"$1\"}]",
        );
        let client = client("c", None);
        assert_eq!(rules.publish(&client, "a/"), Err(NotRewritable));
        assert_eq!(rules.subscribe(&client, "a/x/#"), Ok(Some("x/#".into())));
        assert_eq!(rules.publish(&client, "a/x"), Ok(Some("x".into())));
    }

    #[test]
    fn a_wildcard_at_the_beginning_covers_nothing_with_a_dollar() {
        assert!(!covers("#", "$SYS/a") && !covers("+/a", "$SYS/a"));
        assert!(covers("$SYS/#", "$SYS/a") && covers("a/#", "a") && covers("#", "a/b"));
        assert!(!covers("a/+", "a") && !covers("a", "a/b") && !covers("a/b", "a"));
    }
}
