//! Texts with places that are filled in per client and per message: `%i`, `%c`, `%u`, `%h`, `%s`, `%r`.

use std::fmt::Write;

/// A text with places; whatever else it has stays as it is, `%%` is a percent sign.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    /// `%i`: the client's number.
    Number,
    /// `%c`: the Client Identifier.
    ClientId,
    /// `%u`: the user name.
    UserName,
    /// `%h`: the name of this machine.
    Host,
    /// `%s`: the number of the message.
    Message,
    /// `%r`: a random number, another one each time.
    Random,
}

/// What is known of a client when its texts are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client<'a> {
    pub(crate) number: u64,
    pub(crate) client_id: &'a str,
    pub(crate) user_name: &'a str,
    pub(crate) host: &'a str,
}

impl Template {
    /// Finds the places in `text`.
    pub(crate) fn new(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text.chars();
        while let Some(char) = rest.next() {
            if char != '%' {
                plain.push(char);
                continue;
            }
            let part = match rest.next() {
                Some('i') => Part::Number,
                Some('c') => Part::ClientId,
                Some('u') => Part::UserName,
                Some('h') => Part::Host,
                Some('s') => Part::Message,
                Some('r') => Part::Random,
                Some('%') => {
                    plain.push('%');
                    continue;
                }
                other => {
                    plain.push('%');
                    plain.extend(other);
                    continue;
                }
            };
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(part);
        }
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Self(parts)
    }

    /// Whether it is another text for each message.
    pub(crate) fn varies(&self) -> bool {
        let mut parts = self.0.iter();
        parts.any(|part| matches!(part, Part::Message | Part::Random))
    }

    /// The same with everything filled in that stays the same for a client.
    pub(crate) fn for_client(&self, client: &Client<'_>) -> Self {
        let parts = self.0.iter().map(|part| match part {
            Part::Number => Part::Text(client.number.to_string()),
            Part::ClientId => Part::Text(client.client_id.to_owned()),
            Part::UserName => Part::Text(client.user_name.to_owned()),
            Part::Host => Part::Text(client.host.to_owned()),
            other => other.clone(),
        });
        let mut joined: Vec<Part> = Vec::new();
        for part in parts {
            match (joined.last_mut(), part) {
                (Some(Part::Text(last)), Part::Text(text)) => last.push_str(&text),
                (_, part) => joined.push(part),
            }
        }
        Self(joined)
    }

    /// Writes the text for one message; what is still open about the client is left out.
    pub(crate) fn write(&self, message: u64, random: &mut Random, out: &mut String) {
        for part in &self.0 {
            let number = match part {
                Part::Text(text) => {
                    out.push_str(text);
                    continue;
                }
                Part::Message => message,
                Part::Random => u64::from(random.next()),
                _ => continue,
            };
            // A String takes everything.
            let _ = write!(out, "{number}");
        }
    }

    /// The text of a message, new.
    pub(crate) fn text(&self, message: u64, random: &mut Random) -> String {
        let mut out = String::new();
        self.write(message, random, &mut out);
        out
    }
}

/// Numbers that look random, the same for the same seed. No secrets come from here.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number, 0 to 65 535.
    pub(crate) fn next(&mut self) -> u16 {
        let [.., high, low] = self.wide().to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// A number below `bound`; 0 when that is 0.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.wide().checked_rem(bound).unwrap_or(0)
    }

    /// SplitMix64: a counter in large steps, stirred.
    fn wide(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: Client<'_> = Client {
        number: 7,
        client_id: "id",
        user_name: "me",
        host: "here",
    };

    #[test]
    fn places_are_filled_and_the_rest_stays() {
        for (text, filled) in [
            ("bench/%i", "bench/7"),
            ("%h_%u/%c/%i", "here_me/id/7"),
            ("100%%/%x/%", "100%/%x/%"),
            ("a/%s", "a/42"),
            ("", ""),
        ] {
            let template = Template::new(text).for_client(&CLIENT);
            assert_eq!(template.text(42, &mut Random::new(1)), filled, "{text}");
        }
    }

    #[test]
    fn only_the_message_and_chance_vary() {
        for (text, varies) in [("%i%c%u%h%%s", false), ("a/%s", true), ("a/%r", true)] {
            assert_eq!(Template::new(text).varies(), varies, "{text}");
        }
        let template = Template::new("%r");
        let mut random = Random::new(5);
        let texts: Vec<String> = (0..20).map(|n| template.text(n, &mut random)).collect();
        assert!(texts.iter().any(|text| Some(text) != texts.first()));
    }
}
