//! What must hold for any bytes that are read as users, tokens or keys: each function takes input of no particular form,
//! and a test or a fuzz target calls it and nothing else.

use mqtt_access::{JWT_KEYS_MAX, JwtKeys, Rules, StoredPassword, Users};

/// A secret of this process, which nobody has signed anything with.
const SECRET: &[u8] = b"thirty-two bytes that nobody has";

/// A password file is read, with every user that it names once, or refused with a line that is there.
///
/// # Panics
/// When it does not hold.
pub fn password_file(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    match Users::parse(&text) {
        Ok(users) => {
            assert_eq!(users.len(), users.iter().count());
            for (name, stored) in users.iter() {
                assert!(users.contains(name) && !name.is_empty() && !name.contains(':'));
                let written = stored.to_string();
                assert_eq!(StoredPassword::parse(&written).as_ref(), Ok(stored));
            }
        }
        Err((line, _)) => assert!((1..=text.lines().count()).contains(&line)),
    }
}

/// A token that nobody has signed is refused, whatever it says; so is one for keys that come from the same hands.
///
/// # Panics
/// When it does not hold.
pub fn token(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(keys) = JwtKeys::secret(SECRET) {
        assert!(keys.verify(&text, 0, 0).is_err());
    }
    // The first line is a set of keys, the second a token: it may be good, and must be the same each time.
    if let Some((set, token)) = text.split_once('\n')
        && let Ok(keys) = JwtKeys::jwks(set.as_bytes())
    {
        assert!((1..=JWT_KEYS_MAX).contains(&keys.len()));
        assert_eq!(keys.verify(token, 0, 0), keys.verify(token, 0, 0));
    }
}

/// Keys and rules in JSON, and a key in PEM, are read or refused.
pub fn keys_and_rules(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Ok(keys) = JwtKeys::jwks(input) {
        assert!((1..=JWT_KEYS_MAX).contains(&keys.len()));
    }
    if let Ok(keys) = JwtKeys::pem(&text) {
        assert_eq!(keys.len(), 1);
    }
    if let Ok(value) = serde_json::from_str(&text)
        && let Ok(rules) = Rules::from_claim(&value, "token")
    {
        // A rule about no topic would be one about all.
        assert!(rules.rules().iter().all(|rule| !rule.topics.is_empty()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind, whole.
    const WHOLE: [&str; 5] = [
        "# people\nbob:$7$101$qAKE5/wiMb7MxInY$kP9F12niaj//BS9BG/tQWVDjzhDofyH9NJlPCrUH+EoxjxdeMtoyeD0X3IhbkC4TMikpzhGuL+h3YczjOSvirg==\n",
        "{\"keys\":[{\"kty\":\"oct\",\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T\"}]}\neyJhbGciOiJIUzI1NiJ9.e30.AAAA",
        "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}]}",
        "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----",
        "[{\"permission\":\"allow\",\"action\":\"publish\",\"topic\":\"a/${clientid}/#\",\"qos\":[0,1],\"retain\":true}]",
    ];

    #[test]
    fn it_holds_of_what_is_whole_cut_or_changed() {
        for whole in WHOLE {
            let bytes = whole.as_bytes();
            for at in 0..bytes.len() {
                let cut = bytes.iter().take(at).copied().collect::<Vec<_>>();
                let changed = bytes.iter().enumerate();
                let changed = changed
                    .map(|(place, byte)| if place == at { byte ^ 1 } else { *byte })
                    .collect::<Vec<_>>();
                for input in [cut.as_slice(), &changed] {
                    password_file(input);
                    token(input);
                    keys_and_rules(input);
                }
            }
        }
    }
}
