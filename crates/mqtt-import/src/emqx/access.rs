//! Authentication and authorization of EMQX.

use super::Import;
use super::keys::Form;
use super::value::{converted, flag};
use crate::hocon::{Node, Value};
use crate::remark::Class;
use crate::toml_text::quoted;

/// An authenticator that is there.
struct Known {
    mechanism: &'static str,
    /// Empty where there is none.
    backend: &'static str,
    /// Keys that mean the same: theirs, ours.
    keys: &'static [(&'static str, &'static str, Form)],
    /// More of them, which it shares with others.
    shared: &'static [(&'static str, &'static str, Form)],
}

/// Of every database.
const DATABASE: &[(&str, &str, Form)] = &[
    ("server", "server", Form::Text),
    ("username", "username", Form::Text),
    ("password", "password", Form::Text),
    ("pool_size", "pool_size", Form::Number),
    ("ssl.enable", "ssl.enable", Form::Flag),
    ("ssl.cacertfile", "ssl.cacertfile", Form::Text),
    (
        "password_hash_algorithm.name",
        "password_hash_algorithm.name",
        Form::Text,
    ),
    (
        "password_hash_algorithm.salt_position",
        "password_hash_algorithm.salt_position",
        Form::Text,
    ),
    (
        "password_hash_algorithm.mac_fun",
        "password_hash_algorithm.mac_fun",
        Form::Text,
    ),
    (
        "password_hash_algorithm.iterations",
        "password_hash_algorithm.iterations",
        Form::Number,
    ),
];

const AUTHENTICATORS: [Known; 6] = [
    Known {
        mechanism: "password_based",
        backend: "built_in_database",
        keys: &[("user_id_type", "user_id_type", Form::Text)],
        shared: &[],
    },
    Known {
        mechanism: "password_based",
        backend: "postgresql",
        keys: &[
            ("database", "database", Form::Text),
            ("query", "query", Form::Text),
        ],
        shared: DATABASE,
    },
    Known {
        mechanism: "password_based",
        backend: "redis",
        keys: &[
            ("database", "database", Form::Number),
            ("cmd", "cmd", Form::Text),
        ],
        shared: DATABASE,
    },
    Known {
        mechanism: "password_based",
        backend: "http",
        keys: &[
            ("method", "method", Form::Text),
            ("url", "url", Form::Text),
            ("headers", "headers", Form::Table),
            ("body", "body", Form::Table),
            ("request_timeout", "request_timeout", Form::Time),
            ("pool_size", "pool_size", Form::Number),
            ("ssl.cacertfile", "cacertfile", Form::Text),
        ],
        shared: &[],
    },
    Known {
        mechanism: "jwt",
        backend: "",
        keys: &[
            ("from", "from", Form::Text),
            ("secret", "secret", Form::Text),
            ("secret_base64_encoded", "secret_base64_encoded", Form::Flag),
            ("public_key", "public_key", Form::File),
            ("endpoint", "endpoint", Form::Text),
            ("refresh_interval", "refresh_interval", Form::SecondsTime),
            ("verify_claims", "verify_claims", Form::Table),
            ("acl_claim_name", "acl_claim_name", Form::Text),
            (
                "disconnect_after_expire",
                "disconnect_after_expire",
                Form::Flag,
            ),
            ("ssl.cacertfile", "cacertfile", Form::Text),
        ],
        shared: &[],
    },
    Known {
        mechanism: "scram",
        backend: "built_in_database",
        keys: &[],
        shared: &[],
    },
];

/// Keys of an authenticator that say for whom it is, or whom it believes: without them it would let others in.
const NEEDED: [&str; 5] = [
    "precondition",
    "verify_claims",
    "public_key",
    "secret",
    "redis_type",
];

/// Keys that say nothing that is not so without them.
const SILENT: [&str; 7] = [
    "mechanism",
    "backend",
    "enable",
    "use_jwks",
    "algorithm",
    // For passwords that are made; a hash that is there says it itself.
    "password_hash_algorithm.salt_rounds",
    "password_hash_algorithm.dk_length",
];

/// What is to be known of an authenticator that was carried over.
const USERS_STAY: &str =
    "the users themselves are in EMQX's database: make them anew with `mqtt passwd` or `mqtt ctl`";

impl Import<'_> {
    pub(super) fn authentication(&mut self, root: &Value) {
        let found = root.at(&["authentication"]);
        let list: &[Value] = match found.map(|found| &found.node) {
            Some(Node::List(list)) => list,
            // One alone may stand there without a list.
            Some(Node::Object(fields)) if !fields.is_empty() => {
                found.map_or(&[], std::slice::from_ref)
            }
            _ => &[],
        };
        for one in list.iter().filter(|one| is_on(one)) {
            self.authenticator(one);
        }
        if list.iter().filter(|one| is_on(one)).count() == 0 {
            self.toml.set(
                "",
                "allow_anonymous",
                "true",
                "EMQX lets everybody in where nobody is asked",
            );
            let text = "nobody is asked who clients are, so everybody who can reach a listener is let in, as EMQX does";
            self.say(
                found.map_or(0, |found| found.line),
                "authentication",
                Class::Differs,
                text,
            );
        }
    }

    fn authenticator(&mut self, one: &Value) {
        let word = |key: &str| one.at(&[key]).and_then(Value::text).unwrap_or_default();
        let (mechanism, backend) = (word("mechanism"), word("backend"));
        let found = AUTHENTICATORS
            .iter()
            .find(|known| known.mechanism == mechanism && known.backend == backend);
        let Some(known) = found else {
            let name = format!("authentication: {mechanism} {backend}");
            let text = "there is none of this kind, and the clients it turns away would be let in or all turned away";
            self.say(one.line, name.trim_end(), Class::Refused, text);
            return;
        };
        self.toml.push("authentication");
        self.toml.set_last(
            "mechanism",
            &quoted(mechanism),
            &format!("line {}", one.line),
        );
        if !backend.is_empty() {
            self.toml.set_last("backend", &quoted(backend), "");
        }
        if backend == "built_in_database" {
            self.say(one.line, "authentication", Class::Differs, USERS_STAY);
        }
        if !known.shared.is_empty() {
            let text = format!("takes a program built with the feature `{backend}`");
            self.say(one.line, "authentication.backend", Class::Differs, &text);
        }
        self.fields(one, known);
    }

    /// The keys of an authenticator, into the table begun last.
    fn fields(&mut self, one: &Value, known: &Known) {
        let keys = known.keys.iter().chain(known.shared);
        for (key, ours, form) in keys.clone() {
            let path: Vec<&str> = key.split('.').collect();
            let Some(value) = one.at(&path) else {
                continue;
            };
            match converted(value, *form) {
                Some(written) => {
                    let source = format!("line {}", value.line);
                    self.toml.set_last(ours, &written, &source);
                }
                None => self.unknown(key, value),
            }
        }
        one.leaves(&mut |path, value| {
            let dotted = path.join(".");
            let has_it = |key: &str| {
                dotted
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            };
            let is_single = dotted == "redis_type" && value.text() == Some("single");
            let is_read = SILENT.contains(&&*dotted)
                || is_single
                || keys.clone().any(|(key, ..)| has_it(key));
            let is_other_hash = dotted == "algorithm" && value.text() == Some("sha512");
            if !is_read || is_other_hash {
                self.unknown(&dotted, value);
            }
        });
    }

    /// A key of an authenticator that cannot be carried over.
    fn unknown(&mut self, key: &str, value: &Value) {
        let name = format!("authentication.{key}");
        let is_needed = NEEDED.iter().any(|needed| key.starts_with(needed)) || key == "algorithm";
        let class = if is_needed {
            Class::Refused
        } else {
            Class::Ignored
        };
        let text = match is_needed {
            true => {
                "it has no counterpart in this form, and without it others would be let in, or nobody"
            }
            false => "there is no such setting here",
        };
        self.unless_off(&name, value, class, text);
    }

    pub(super) fn authorization(&mut self, root: &Value) {
        if root.at(&["authorization", "no_match"]).is_none() {
            self.toml.set(
                "authorization",
                "no_match",
                "\"allow\"",
                "EMQX's own where nothing is said",
            );
        }
        let found = root.at(&["authorization", "sources"]);
        let Some(Node::List(sources)) = found.map(|found| &found.node) else {
            return self.default_rules();
        };
        for source in sources.iter().filter(|source| is_on(source)) {
            let word = |key: &str| source.at(&[key]).and_then(Value::text);
            match (word("type"), word("path")) {
                (Some("file"), Some(path)) => {
                    if path.contains("${") {
                        let text = "it has a variable of EMQX's start script: write the path out";
                        self.say(
                            source.line,
                            "authorization.sources.path",
                            Class::Differs,
                            text,
                        );
                    }
                    self.toml.push("authorization.sources");
                    self.toml
                        .set_last("type", "\"file\"", &format!("line {}", source.line));
                    self.toml.set_last("path", &quoted(path), "");
                    self.toml.set_last("format", "\"emqx\"", "");
                }
                (kind, _) => {
                    let name = format!("authorization.sources: {}", kind.unwrap_or("?"));
                    let text =
                        "there is no such source of rules, and what it denies would be allowed";
                    self.say(source.line, &name, Class::Refused, text);
                }
            }
        }
    }

    /// What EMQX's own `acl.conf` says, which is read where no source is named.
    fn default_rules(&mut self) {
        let mut rule = |keys: &[(&str, &str)], comment: &str| {
            self.toml.push("authorization.rules");
            for (key, value) in keys {
                self.toml.set_last(key, value, comment);
            }
        };
        rule(
            &[
                ("permission", "\"allow\""),
                ("username", "\"dashboard\""),
                ("action", "\"subscribe\""),
                ("topics", "[\"$SYS/#\"]"),
            ],
            "",
        );
        rule(
            &[
                ("permission", "\"allow\""),
                ("address", "\"127.0.0.1\""),
                ("topics", "[\"$SYS/#\", \"#\"]"),
            ],
            "",
        );
        rule(
            &[
                ("permission", "\"deny\""),
                ("action", "\"subscribe\""),
                ("topics", "[\"$SYS/#\", \"eq #\", \"eq +/#\"]"),
            ],
            "",
        );
        let text = "no source is named: these are the rules EMQX comes with, and not yours if you have changed its acl.conf";
        self.say(0, "authorization.sources", Class::Differs, text);
    }
}

fn is_on(one: &Value) -> bool {
    one.at(&["enable"]).and_then(Value::text).and_then(flag) != Some(false)
}
