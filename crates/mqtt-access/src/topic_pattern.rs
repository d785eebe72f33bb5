//! Which topics a rule is about: a Topic Filter in which a level may stand for who asks.

use crate::error::PatternError;
use crate::subject::Subject;
use std::fmt;

/// A Topic Filter with placeholders, such as `devices/${clientid}/#`.
///
/// What stands for a placeholder is a text within one level: a Client Identifier with `/`, `+` or `#` in it opens
/// nothing up.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TopicPattern {
    text: Box<str>,
    levels: Box<[Level]>,
    has_placeholders: bool,
    is_exact: bool,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Level {
    Pieces(Box<[Piece]>),
    /// `+`
    One,
    /// `#`
    Rest,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Text(Box<str>),
    Placeholder(Placeholder),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Placeholder {
    ClientId,
    Username,
    CertCommonName,
    Attribute(Box<str>),
}

/// How the placeholders of a pattern are written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Notation {
    /// `${clientid}`, `${username}`, `${cert_common_name}`, `${client_attrs.NAME}`
    Braces,
    /// `%c`, `%u`
    Percent,
    None,
}

/// A pattern as it is for who asks.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Filled<'a> {
    /// Compare with this.
    Levels(FilledLevels<'a>),
    /// A value has characters that mean something in a topic: nobody knows what is meant.
    Unclear,
    /// A value is not there: the rule is about somebody else.
    Absent,
}

/// The levels of a pattern whose placeholders all have a value that is a part of one level.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FilledLevels<'a> {
    levels: &'a [Level],
    subject: &'a Subject<'a>,
}

impl TopicPattern {
    /// Reads a pattern with the placeholders `${clientid}`, `${username}`, `${cert_common_name}` and
    /// `${client_attrs.NAME}`; behind `eq ` it is compared as written, wildcards and all, with a Topic Filter.
    ///
    /// # Errors
    /// It is no Topic Filter, or has a placeholder that is not known.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        match text.strip_prefix("eq ") {
            Some(exact) => {
                let pattern = Self::read(exact, Notation::Braces)?;
                let is_exact = true;
                Ok(Self {
                    is_exact,
                    ..pattern
                })
            }
            None => Self::read(text, Notation::Braces),
        }
    }

    pub(crate) fn read(text: &str, notation: Notation) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let mut levels = Vec::new();
        for level in text.split('/') {
            if matches!(levels.last(), Some(Level::Rest)) {
                return Err(PatternError::Wildcard);
            }
            levels.push(match level {
                "+" => Level::One,
                "#" => Level::Rest,
                _ if level.contains(['+', '#', '\0']) => return Err(PatternError::Wildcard),
                _ => Level::Pieces(pieces(level, notation)?),
            });
        }
        let is_plain = |level: &Level| match level {
            Level::Pieces(pieces) => pieces.iter().all(|piece| matches!(piece, Piece::Text(_))),
            Level::One | Level::Rest => true,
        };
        Ok(Self {
            text: text.into(),
            has_placeholders: !levels.iter().all(is_plain),
            levels: levels.into(),
            is_exact: false,
        })
    }

    /// As it is for who asks; nothing is copied.
    pub(crate) fn fill<'a>(&'a self, subject: &'a Subject<'a>) -> Filled<'a> {
        if self.has_placeholders {
            for (at, level) in self.levels.iter().enumerate() {
                let Level::Pieces(pieces) = level else {
                    continue;
                };
                for (nth, piece) in pieces.iter().enumerate() {
                    let Piece::Placeholder(placeholder) = piece else {
                        continue;
                    };
                    // A name must not lead to where no wildcard leads either.
                    let is_first = at == 0 && nth == 0;
                    match placeholder.value(subject) {
                        None => return Filled::Absent,
                        Some(value)
                            if value.is_empty()
                                || value.bytes().any(|byte| matches!(byte, b'/' | b'+' | b'#'))
                                || is_first && value.starts_with('$') =>
                        {
                            return Filled::Unclear;
                        }
                        Some(_) => {}
                    }
                }
            }
        }
        Filled::Levels(FilledLevels {
            levels: &self.levels,
            subject,
        })
    }

    /// Whether it is compared as written.
    pub(crate) const fn is_exact(&self) -> bool {
        self.is_exact
    }
}

impl fmt::Display for TopicPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exactly = if self.is_exact { "eq " } else { "" };
        write!(f, "{exactly}{}", self.text)
    }
}

impl Placeholder {
    fn read(name: &str) -> Result<Self, PatternError> {
        match name {
            "clientid" => Ok(Self::ClientId),
            "username" => Ok(Self::Username),
            "cert_common_name" => Ok(Self::CertCommonName),
            _ => match name.strip_prefix("client_attrs.") {
                Some(attribute) if !attribute.is_empty() => Ok(Self::Attribute(attribute.into())),
                _ => Err(PatternError::Placeholder { name: name.into() }),
            },
        }
    }

    fn value<'a>(&self, subject: &Subject<'a>) -> Option<&'a str> {
        match self {
            Self::ClientId => Some(subject.client_id),
            Self::Username => subject.username,
            Self::CertCommonName => subject.cert_common_name,
            Self::Attribute(name) => subject.attribute(name),
        }
    }
}

fn pieces(level: &str, notation: Notation) -> Result<Box<[Piece]>, PatternError> {
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = level;
    while let Some(first) = rest.chars().next() {
        let (placeholder, after) = match notation {
            Notation::Braces => braces(rest)?,
            Notation::Percent => percent(rest),
            Notation::None => None,
        }
        .map_or((None, rest), |(placeholder, after)| {
            (Some(placeholder), after)
        });
        match placeholder {
            Some(placeholder) => {
                if !text.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut text).into()));
                }
                pieces.push(Piece::Placeholder(placeholder));
                rest = after;
            }
            None => {
                text.push(first);
                rest = rest.get(first.len_utf8()..).unwrap_or_default();
            }
        }
    }
    if !text.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
    Ok(pieces.into())
}

fn braces(text: &str) -> Result<Option<(Placeholder, &str)>, PatternError> {
    let Some(inner) = text.strip_prefix("${") else {
        return Ok(None);
    };
    let (name, after) = inner.split_once('}').ok_or(PatternError::Unclosed)?;
    Ok(Some((Placeholder::read(name)?, after)))
}

fn percent(text: &str) -> Option<(Placeholder, &str)> {
    text.strip_prefix("%c")
        .map(|after| (Placeholder::ClientId, after))
        .or_else(|| Some((Placeholder::Username, text.strip_prefix("%u")?)))
}

impl FilledLevels<'_> {
    /// Whether a message to this Topic Name is what the pattern is about. Spec: v5 §4.7.
    pub(crate) fn matches(&self, topic_name: &str) -> bool {
        self.covers(topic_name)
    }

    /// Whether the pattern is about everything a subscription to this Topic Filter brings.
    pub(crate) fn covers(&self, topic_filter: &str) -> bool {
        if self.begins_with_wildcard() && topic_filter.starts_with('$') {
            return false;
        }
        let mut asked = Some(topic_filter);
        for level in self.levels {
            match (level, asked) {
                // `a/#` is about `a`, too.
                (Level::Rest, _) => return true,
                (_, None) => return false,
                (Level::One, Some(_)) => {
                    if next_level(&mut asked) == Some("#") {
                        return false;
                    }
                }
                (Level::Pieces(pieces), Some(rest)) => match self.behind(pieces, rest) {
                    Some(behind) => asked = behind,
                    None => return false,
                },
            }
        }
        asked.is_none()
    }

    /// Whether the pattern is about anything a subscription to this Topic Filter brings.
    pub(crate) fn overlaps(&self, topic_filter: &str) -> bool {
        let is_wild = topic_filter.starts_with(['+', '#']);
        if self.begins_with_wildcard() && topic_filter.starts_with('$')
            || is_wild && self.begins_with_dollar()
        {
            return false;
        }
        let mut asked = Some(topic_filter);
        let mut levels = self.levels.iter();
        loop {
            match (levels.next(), next_level(&mut asked)) {
                (None, None) | (Some(Level::Rest), _) | (_, Some("#")) => return true,
                (None, Some(_)) | (Some(_), None) => return false,
                (Some(Level::One), Some(_)) | (Some(Level::Pieces(_)), Some("+")) => {}
                (Some(Level::Pieces(pieces)), Some(asked)) if self.are(pieces, asked) => {}
                (Some(Level::Pieces(_)), Some(_)) => return false,
            }
        }
    }

    /// Whether the pattern, as written, is this Topic Filter.
    pub(crate) fn is(&self, topic_filter: &str) -> bool {
        let mut asked = Some(topic_filter);
        let is_same = self
            .levels
            .iter()
            .all(|level| match (level, next_level(&mut asked)) {
                (Level::One, Some("+")) | (Level::Rest, Some("#")) => true,
                (Level::Pieces(pieces), Some(asked)) => self.are(pieces, asked),
                _ => false,
            });
        is_same && asked.is_none()
    }

    /// Whether the pieces of a level are, one after the other, this level.
    fn are(&self, pieces: &[Piece], level: &str) -> bool {
        self.behind(pieces, level) == Some(None)
    }

    /// The levels behind the first one of `levels`, none where it is the last, if that is the pieces of a level one
    /// after the other; nobody looks for its end, as there is no `/` in them.
    fn behind<'t>(&self, pieces: &[Piece], levels: &'t str) -> Option<Option<&'t str>> {
        let mut rest = levels;
        for piece in pieces {
            let begins = match piece {
                Piece::Text(piece) => Some(&**piece),
                Piece::Placeholder(placeholder) => placeholder.value(self.subject),
            };
            rest = rest.strip_prefix(begins?)?;
        }
        match rest.as_bytes().first() {
            None => Some(None),
            Some(b'/') => Some(rest.get(1..)),
            Some(_) => None,
        }
    }

    fn begins_with_wildcard(&self) -> bool {
        matches!(self.levels.first(), Some(Level::One | Level::Rest))
    }

    /// A value that stands first does not begin so, or nobody would know what is meant.
    fn begins_with_dollar(&self) -> bool {
        let Some(Level::Pieces(pieces)) = self.levels.first() else {
            return false;
        };
        matches!(pieces.first(), Some(Piece::Text(text)) if text.starts_with('$'))
    }
}

/// The next of `levels`, which are then those behind it.
fn next_level<'t>(levels: &mut Option<&'t str>) -> Option<&'t str> {
    let all = (*levels)?;
    // Levels are short: this is over before a faster search has begun.
    let end = all.bytes().position(|byte| byte == b'/');
    *levels = end.and_then(|end| all.get(end + 1..));
    all.get(..end.unwrap_or(all.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pattern(text: &str) -> TopicPattern {
        TopicPattern::read(text, Notation::None).unwrap()
    }

    fn levels<'a>(pattern: &'a TopicPattern, subject: &'a Subject<'a>) -> FilledLevels<'a> {
        match pattern.fill(subject) {
            Filled::Levels(levels) => levels,
            other => panic!("{pattern}: {other:?}"),
        }
    }

    fn alice() -> Subject<'static> {
        Subject {
            client_id: "c1",
            username: Some("alice"),
            ..Subject::default()
        }
    }

    /// All Topic Names of up to three of these levels.
    fn topic_names() -> Vec<String> {
        let levels = ["", "a", "b", "$s"];
        let mut names: Vec<String> = levels.map(str::to_owned).to_vec();
        for first in 0..2 {
            let longer: Vec<_> = names
                .iter()
                .filter(|name| name.matches('/').count() == first)
                .flat_map(|name| levels.map(|level| format!("{name}/{level}")))
                .collect();
            names.extend(longer);
        }
        names
    }

    /// The rules of v5 §4.7 once more, as plainly as they can be said.
    fn is_matched(topic_filter: &str, topic_name: &str) -> bool {
        if topic_filter.starts_with(['+', '#']) && topic_name.starts_with('$') {
            return false;
        }
        let (filter, name): (Vec<_>, Vec<_>) = (
            topic_filter.split('/').collect(),
            topic_name.split('/').collect(),
        );
        let fits = |(filter, name): (&&str, &&str)| *filter == "+" || filter == name;
        match filter.split_last() {
            Some((&"#", before)) => {
                name.len() >= before.len() && before.iter().zip(&name).all(fits)
            }
            _ => filter.len() == name.len() && filter.iter().zip(&name).all(fits),
        }
    }

    fn any_filter() -> impl Strategy<Value = String> {
        let level = prop_oneof![Just("a"), Just("b"), Just("$s"), Just(""), Just("+")];
        let levels = prop::collection::vec(level, 0..3);
        (levels, any::<bool>())
            .prop_map(|(mut levels, rest)| {
                if rest || levels.is_empty() {
                    levels.push("#");
                }
                levels.join("/")
            })
            .prop_filter("an empty one is none", |filter| !filter.is_empty())
    }

    proptest! {
        /// Covers: v5 [MQTT-4.7.1-1], v5 [MQTT-4.7.2-1].
        #[test]
        fn patterns_match_as_topic_filters_do(text in any_filter()) {
            let (pattern, alice) = (pattern(&text), alice());
            for topic_name in topic_names() {
                let expected = is_matched(&text, &topic_name);
                prop_assert_eq!(levels(&pattern, &alice).matches(&topic_name), expected, "{}", topic_name);
            }
        }

        /// Longer topics than those tried would tell no more: filters have three levels at most.
        #[test]
        fn a_filter_is_covered_if_all_it_brings_is_matched(text in any_filter(), asked in any_filter()) {
            let brings: Vec<_> = topic_names().into_iter().filter(|name| is_matched(&asked, name)).collect();
            let (pattern, alice) = (pattern(&text), alice());
            let levels = levels(&pattern, &alice);
            if levels.covers(&asked) {
                prop_assert!(brings.iter().all(|name| is_matched(&text, name)));
            }
            prop_assert_eq!(levels.overlaps(&asked), brings.iter().any(|name| is_matched(&text, name)));
        }
    }

    #[test]
    fn wildcards_cover_wildcards() {
        for (text, asked, covers) in [
            ("#", "#", true),
            ("#", "+/+", true),
            ("#", "$SYS/#", false),
            ("$SYS/#", "$SYS/broker/+", true),
            ("a/#", "a", true),
            ("a/+", "a/#", false),
            ("+/b", "a/b", true),
            ("a/b", "a/+", false),
            ("a/b", "a/b", true),
            ("a", "a/#", false),
        ] {
            let (pattern, alice) = (pattern(text), alice());
            let covered = levels(&pattern, &alice).covers(asked);
            assert_eq!(covered, covers, "{text} {asked}");
        }
    }

    #[test]
    fn placeholders_stand_for_who_asks() {
        let alice = alice();
        for (text, topic_name) in [
            ("devices/${clientid}/#", "devices/c1/x"),
            ("u-${username}-${clientid}", "u-alice-c1"),
            ("$${username}", "$alice"),
        ] {
            let pattern = TopicPattern::parse(text).unwrap();
            let levels = levels(&pattern, &alice);
            assert!(levels.matches(topic_name), "{text}");
            assert!(!levels.matches("devices/c2/x"));
        }
        for text in ["${cert_common_name}/x", "${client_attrs.site}"] {
            let pattern = TopicPattern::parse(text).unwrap();
            assert!(matches!(pattern.fill(&alice), Filled::Absent));
        }
        let percent = TopicPattern::read("%u/%c/%x", Notation::Percent).unwrap();
        assert!(levels(&percent, &alice).matches("alice/c1/%x"));
    }

    #[test]
    fn a_name_with_wildcards_opens_nothing() {
        let pattern = TopicPattern::parse("devices/${clientid}/#").unwrap();
        for client_id in ["+", "#", "a/b", ""] {
            let subject = Subject {
                client_id,
                ..Subject::default()
            };
            assert!(
                matches!(pattern.fill(&subject), Filled::Unclear),
                "{client_id}"
            );
        }
    }

    #[test]
    fn a_name_does_not_lead_to_the_brokers_own_topics() {
        let subject = Subject {
            client_id: "$SYS",
            ..Subject::default()
        };
        let pattern = TopicPattern::parse("${clientid}/#").unwrap();
        assert!(matches!(pattern.fill(&subject), Filled::Unclear));
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        let unknown = |name: &str| PatternError::Placeholder { name: name.into() };
        for (text, error) in [
            ("", PatternError::Empty),
            ("eq ", PatternError::Empty),
            ("a/#/b", PatternError::Wildcard),
            ("a#", PatternError::Wildcard),
            ("a/b+", PatternError::Wildcard),
            ("${clientid", PatternError::Unclosed),
            ("${client}", unknown("client")),
            ("${client_attrs.}", unknown("client_attrs.")),
        ] {
            assert_eq!(TopicPattern::parse(text).unwrap_err(), error, "{text}");
        }
    }
}
