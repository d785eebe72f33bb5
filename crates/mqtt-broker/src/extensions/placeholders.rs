//! `${clientid}` and the like in topics of the configuration.

use crate::access::ClientInfo;

/// A text a client chose that would change the meaning of the topic it is put into.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotOneLevel;

/// `template` with each `${name}` replaced by what `value` knows of that name; unknown ones stay as they are.
///
/// # Errors
/// [`NotOneLevel`]: a value has `/`, `+` or `#` in it, which would make another topic or a wildcard of it.
pub(super) fn fill(
    template: &str,
    value: impl Fn(&str) -> Option<String>,
) -> Result<String, NotOneLevel> {
    let mut filled = String::with_capacity(template.len());
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("${") {
        filled.push_str(before);
        let Some((name, after)) = behind.split_once('}') else {
            filled.push_str("${");
            rest = behind;
            continue;
        };
        match value(name) {
            Some(value) if value.contains(['/', '+', '#', '\0']) => return Err(NotOneLevel),
            Some(value) => filled.push_str(&value),
            None => {
                filled.push_str("${");
                filled.push_str(name);
                filled.push('}');
            }
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

/// What `${clientid}`, `${username}`, `${host}` and `${port}` stand for.
pub(super) fn of_client(client: &ClientInfo, name: &str) -> Option<String> {
    match name {
        "clientid" => Some(client.client_id.to_string()),
        "username" => Some(client.username.as_deref().unwrap_or_default().to_owned()),
        "host" => Some(client.peer.ip().to_string()),
        "port" => Some(client.peer.port().to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_filled_and_others_stay() {
        let value = |name: &str| (name == "clientid").then(|| "c1".to_owned());
        for (template, expected) in [
            ("a/b", "a/b"),
            ("a/${clientid}/${other}/b", "a/c1/${other}/b"),
            ("${clientid}${clientid}", "c1c1"),
            ("a/${clientid", "a/${clientid"),
            ("$1/$${clientid}", "$1/$c1"),
        ] {
            assert_eq!(fill(template, value).as_deref(), Ok(expected));
        }
    }

    #[test]
    fn a_value_is_one_level_and_no_wildcard() {
        for bad in ["a/b", "+", "#", "x#"] {
            assert_eq!(fill("t/${x}", |_| Some(bad.to_owned())), Err(NotOneLevel));
        }
    }
}
