//! What a rule says, in one line for people: whatever form it is written in, it reads the same.

use crate::rule::{Actions, Permit, Rule};
use crate::who::{Condition, TextMatch, Who};
use std::fmt;

impl fmt::Display for Rule {
    /// `deny publish, topics "home/#", username "alice"`: what is not named the rule is not particular about.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.permit {
            Permit::Allow => "allow",
            Permit::Deny => "deny",
        })?;
        f.write_str(match self.actions {
            Actions::Publish => " publish",
            Actions::Subscribe => " subscribe",
            Actions::All => " all",
        })?;
        if !self.topics.is_empty() {
            f.write_str(", topics ")?;
            let texts = self.topics.iter().map(ToString::to_string);
            list(f, texts, |f, text| write!(f, "{text:?}"))?;
        }
        write!(f, "{}", self.who)?;
        if !self.qos.is_empty() {
            f.write_str(", qos ")?;
            list(f, self.qos.iter(), |f, qos| write!(f, "{qos}"))?;
        }
        self.retain
            .map_or(Ok(()), |retain| write!(f, ", retain {retain}"))
    }
}

impl fmt::Display for Who {
    /// Nothing for everybody; else each condition behind a comma.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut conditions = self.conditions.iter();
        conditions.try_for_each(|condition| write!(f, ", {condition}"))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts = |f: &mut fmt::Formatter<'_>, name: &str, texts: &[TextMatch]| {
            write!(f, "{name} ")?;
            list(f, texts.iter(), |f, text| write!(f, "{text}"))
        };
        match self {
            Self::ClientId(wanted) => texts(f, "clientid", wanted),
            Self::Username(wanted) => texts(f, "username", wanted),
            Self::Anonymous => f.write_str("username \"\""),
            Self::Attribute { name, values } => texts(f, &format!("client_attrs.{name}"), values),
            Self::Address(networks) => {
                f.write_str("address ")?;
                list(f, networks.iter(), |f, network| write!(f, "{network}"))
            }
            Self::Listener(wanted) => texts(f, "listener", wanted),
        }
    }
}

impl fmt::Display for TextMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => write!(f, "{text:?}"),
            Self::Matches(expression) => write!(f, "re {:?}", expression.as_str()),
        }
    }
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    items: impl Iterator<Item = T>,
    write: impl Fn(&mut fmt::Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (nth, item) in items.enumerate() {
        if nth > 0 {
            f.write_str(" or ")?;
        }
        write(f, item)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::format::RuleFormat;
    use crate::rules::Rules;
    use std::path::Path;

    #[test]
    fn the_same_rule_reads_the_same_in_every_form() {
        let toml = r##"
            [[rules]]
            permission = "deny"
            action = "publish"
            username = ["alice", { re = "^b" }]
            address = "10.0.0.0/8"
            topics = ["a/${clientid}/#", "eq b/#"]
            qos = [0, 1]
            retain = false

            [[rules]]
            permission = "allow"
            username = ""
            client_attrs = { site = "north" }
            listener = "default"

            [[rules]]
            permission = "allow"
        "##;
        let texts = |format, text: &str| -> Vec<String> {
            let rules = Rules::parse(format, text, Path::new("f")).unwrap();
            rules.rules().iter().map(ToString::to_string).collect()
        };
        let mut said = texts(RuleFormat::Toml, toml);
        let tail = said.split_off(2);
        assert_eq!(tail, ["allow all"]);
        assert!(said[0].starts_with("deny publish, topics \"a/${clientid}/#\" or \"eq b/#\""));
        for part in [
            "username \"alice\" or re \"^b\"",
            "address 10.0.0.0/8",
            "qos 0 or 1, retain false",
        ] {
            assert!(said[0].contains(part), "{}", said[0]);
        }
        for part in [
            "username \"\"",
            "client_attrs.site \"north\"",
            "listener \"default\"",
        ] {
            assert!(said[1].contains(part), "{}", said[1]);
        }
        let one = "allow publish, topics \"home/+\", username \"alice\"";
        for (format, text) in [
            (
                RuleFormat::Emqx,
                "{allow, {username, \"alice\"}, publish, [\"home/+\"]}.",
            ),
            (RuleFormat::Mosquitto, "user alice\ntopic write home/+"),
        ] {
            assert_eq!(texts(format, text), [one]);
        }
    }
}
