//! What the other end's messages have to look like before the library reads them.

use crate::AuthError;
use std::borrow::Cow;

/// The longest message that is read, in bytes.
const MESSAGE_LEN_MAX: usize = 16 * 1024;

/// Checks that a message is attributes with one letter, an equals sign and a value, joined by commas.
///
/// The library takes that for granted.
pub(super) fn check_attributes(message: &[u8]) -> Result<(), AuthError> {
    if message.len() > MESSAGE_LEN_MAX {
        return Err(malformed("too long"));
    }
    let is_attribute =
        |part: &[u8]| matches!(part, [letter, b'=', ..] if letter.is_ascii_alphabetic());
    match message.split(|byte| *byte == b',').all(is_attribute) {
        true => Ok(()),
        false => Err(malformed("something other than attributes")),
    }
}

/// The user name of a client's first message.
pub(super) fn username(client_first: &[u8]) -> Result<String, AuthError> {
    let mut parts = client_first.splitn(3, |byte| *byte == b',');
    let (Some(binding), Some(acting_as), Some(attributes)) =
        (parts.next(), parts.next(), parts.next())
    else {
        return Err(malformed("no header"));
    };
    // A client that would bind to the channel says "y" where the server offers no such method.
    if !matches!(binding, b"n" | b"y") {
        return Err(malformed("a channel binding that was not offered"));
    }
    check_attributes(attributes)?;
    let mut attributes = attributes.split(|byte| *byte == b',');
    let escaped = attributes.next().and_then(|name| name.strip_prefix(b"n="));
    let escaped = escaped.ok_or_else(|| malformed("no user name"))?;
    let is_same = acting_as.is_empty() || acting_as.strip_prefix(b"a=") == Some(escaped);
    if !is_same {
        return Err(malformed("a user acts as another"));
    }
    let escaped =
        std::str::from_utf8(escaped).map_err(|_| malformed("a user name not in UTF-8"))?;
    let name = unescape(escaped).ok_or_else(|| malformed("a user name not as it is escaped"))?;
    if name.is_empty() || name.contains('\0') {
        return Err(malformed("an impossible user name"));
    }
    Ok(name.into_owned())
}

/// The rounds a server's first message asks for.
pub(super) fn iterations(server_first: &[u8]) -> Result<u64, AuthError> {
    check_attributes(server_first)?;
    let mut attributes = server_first.split(|byte| *byte == b',').skip(2);
    let text = attributes.next().and_then(|text| text.strip_prefix(b"i="));
    let text = text.filter(|text| !text.is_empty() && text.iter().all(u8::is_ascii_digit));
    let text = text.ok_or_else(|| malformed("no number of iterations"))?;
    let digits = text.iter().map(|digit| u64::from(digit - b'0'));
    Ok(digits.fold(0, |number: u64, digit| {
        number.saturating_mul(10).saturating_add(digit)
    }))
}

pub(super) fn malformed(problem: &str) -> AuthError {
    AuthError::Malformed {
        problem: problem.into(),
    }
}

/// A comma is written `=2C` and an equals sign `=3D`; none when an equals sign stands for anything else.
fn unescape(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('=') {
        return Some(text.into());
    }
    let mut parts = text.split('=');
    let mut name = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (_, Some(rest)) => ('=', rest),
            (None, None) => return None,
        };
        name.push(sign);
        name.push_str(rest);
    }
    Some(name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_name_is_found_and_unescaped() {
        for (message, expected) in [
            ("n,,n=user,r=abc", "user"),
            ("y,,n=us=2Cer=3D,r=abc,x=later", "us,er="),
            ("n,a=user,n=user,r=abc", "user"),
            ("n,,n=us\u{e9}r,r=abc", "us\u{e9}r"),
        ] {
            assert_eq!(username(message.as_bytes()).unwrap(), expected, "{message}");
        }
    }

    #[test]
    fn what_the_library_would_stumble_over_is_refused() {
        for message in [
            "",
            "n",
            "n,,",
            "n,,,",
            "n,,n",
            "n,,n=",
            "n,,n=a,",
            "n,,n=a,r",
            "n,a,n=a,r=b",
            "n,a=root,n=a,r=b",
            "p=tls-unique,,n=a,r=b",
            "n,,m=x,n=a,r=b",
            "n,,n=a=,r=b",
            "n,,n=a=2c,r=b",
            "n,,n=\0,r=b",
            "x,,n=a,r=b",
        ] {
            assert!(username(message.as_bytes()).is_err(), "{message:?}");
        }
        assert!(username(b"n,,n=\xff,r=b").is_err());
        assert!(username(&[b"n,,n=a,r=".to_vec(), vec![b'x'; MESSAGE_LEN_MAX]].concat()).is_err());
    }

    #[test]
    fn iterations_are_found_however_many() {
        assert_eq!(iterations(b"r=a,s=b,i=4096"), Ok(4096));
        assert_eq!(
            iterations(b"r=a,s=b,i=99999999999999999999999"),
            Ok(u64::MAX)
        );
        for message in [
            "",
            "r=a",
            "r=a,s=b",
            "r=a,s=b,i=",
            "r=a,s=b,i=-1",
            "r=a,s=b,i=4x",
            "i=4096",
        ] {
            assert!(iterations(message.as_bytes()).is_err(), "{message}");
        }
    }
}
