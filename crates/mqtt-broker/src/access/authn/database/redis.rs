//! Redis: a command whose key has the client's texts in it.

use super::pool::Table;
use super::row::{Row, is_yes};
use super::usable;
use crate::access::template::{Field, Notation, Template};
use crate::authenticate::ConnectRequest;
use crate::config::Redis;
use mqtt_io::{Stream, TlsConfig};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisConnectionInfo, RedisError};
use zeroize::Zeroizing;

/// Where a Redis server listens.
const PORT: u16 = 6379;

/// A key, and the fields of the hash that is there.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Command {
    key: Template,
    fields: Vec<Wanted>,
}

/// A field of a user's hash.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Wanted {
    name: Box<str>,
    role: Role,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Role {
    Hash,
    Salt,
    Superuser,
}

/// The fields that mean something; EMQX takes both names of the first.
const ROLES: [(&str, Role); 4] = [
    ("password_hash", Role::Hash),
    ("password", Role::Hash),
    ("salt", Role::Salt),
    ("is_superuser", Role::Superuser),
];

/// One database.
pub(super) struct RedisTable {
    host: String,
    port: u16,
    tls: Option<TlsConfig>,
    info: RedisConnectionInfo,
    fields: Vec<Wanted>,
}

impl Command {
    /// Reads a command, which is taken apart before anything of a client is put in.
    ///
    /// # Errors
    /// Another command, other fields, quotes, a placeholder that is not known or is no part of the key.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.contains(['"', '\'', '\\']) {
            return Err(
                "it has quotes, which are not needed: what is filled in stays one word".to_owned(),
            );
        }
        let mut words = text.split_ascii_whitespace();
        let command = words.next().unwrap_or_default();
        let is_one = command.eq_ignore_ascii_case("HGET");
        if !is_one && !command.eq_ignore_ascii_case("HMGET") {
            return Err(format!("{command:?} is neither HMGET nor HGET"));
        }
        let key = usable(words.next().ok_or("it has no key")?)?;
        if key.fields().next().is_none() {
            return Err("its key has no placeholder, so it is the same for everybody".to_owned());
        }
        let mut fields = Vec::new();
        for name in words {
            let known = ROLES.iter().find(|(known, _)| *known == name);
            let (_, role) = known.ok_or_else(|| {
                format!("{name:?} is none of password_hash, password, salt, is_superuser")
            })?;
            fields.push(Wanted {
                name: name.into(),
                role: *role,
            });
        }
        let of_hash = fields
            .iter()
            .filter(|field| field.role == Role::Hash)
            .count();
        if of_hash != 1 {
            return Err("it asks not for one password_hash".to_owned());
        }
        match is_one && fields.len() > 1 {
            true => Err("HGET is for one field: write HMGET".to_owned()),
            false => Ok(Self { key, fields }),
        }
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.key.has(field)
    }

    /// The key of this client; none when it does not have all that belongs into it.
    pub(super) fn values(&self, request: &ConnectRequest<'_>) -> Option<Vec<Zeroizing<String>>> {
        for field in self.key.fields() {
            field.given(request)?;
        }
        Some(vec![self.key.fill(request, Notation::Plain)?])
    }
}

impl RedisTable {
    /// This one, asked by this command.
    ///
    /// # Errors
    /// A key is missing.
    pub(super) fn new(
        settings: &Redis,
        command: &Command,
        tls: Option<TlsConfig>,
    ) -> Result<Self, String> {
        let server = &settings.server;
        let address = server.server.as_ref().ok_or("it has no `server`")?;
        if address.host.starts_with('/') {
            return Err("`server` is a directory, which only PostgreSQL has".to_owned());
        }
        let mut info = RedisConnectionInfo::default()
            .set_db(i64::from(settings.database))
            .set_skip_set_lib_name();
        if let Some(username) = &server.username {
            info = info.set_username(username);
        }
        if let Some(password) = &server.password {
            info = info.set_password(password.expose());
        }
        Ok(Self {
            host: address.host.clone(),
            port: address.port.unwrap_or(PORT),
            tls,
            info,
            fields: command.fields.clone(),
        })
    }
}

impl Table for RedisTable {
    type Connection = MultiplexedConnection;

    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let stream = Stream::connect_tcp(&self.host, self.port).await;
        let mut stream = stream.map_err(|error| error.to_string())?;
        if let Some(tls) = &self.tls {
            let over_tls = tls.connect(stream, &self.host).await;
            stream = over_tls.map_err(|error| error.to_string())?;
        }
        // How long it takes is the business of who asks.
        let config = AsyncConnectionConfig::new().set_response_timeout(None);
        let connected = MultiplexedConnection::new_with_config(&self.info, stream, config).await;
        let (connection, driver) = connected.map_err(|error| cause(&error))?;
        // It ends with the connection.
        tokio::spawn(driver);
        Ok(connection)
    }

    async fn find(
        &self,
        connection: &mut MultiplexedConnection,
        values: &[Zeroizing<String>],
    ) -> Result<Option<Row>, String> {
        let mut command = redis::cmd("HMGET");
        for key in values {
            command.arg(key.as_str());
        }
        for field in &self.fields {
            command.arg(&*field.name);
        }
        let found = command.query_async(connection).await;
        let found: Vec<Option<String>> = found.map_err(|error| cause(&error))?;
        let mut row = Row::default();
        let mut is_there = false;
        for (field, value) in self.fields.iter().zip(found) {
            let Some(value) = value.map(Zeroizing::new) else {
                continue;
            };
            match field.role {
                Role::Hash => {
                    row.hash = value;
                    is_there = true;
                }
                Role::Salt => row.salt = value,
                Role::Superuser => row.is_superuser = is_yes(value.trim()),
            }
        }
        Ok(is_there.then_some(row))
    }
}

fn cause(error: &RedisError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use mqtt_codec::ProtocolVersion;

    fn request<'a>(username: Option<&'a str>, client_id: &'a str) -> ConnectRequest<'a> {
        ConnectRequest {
            client_id,
            username,
            password: None,
            version: ProtocolVersion::V5,
            peer: "192.0.2.1:5".parse().unwrap(),
            listener: "default",
            method: None,
            certificate: None,
        }
    }

    /// What a client says stays in the key, whatever it is.
    #[test]
    fn a_command_is_one_key_and_its_fields() {
        let text = "hmget  mqtt_user:${username}@${clientid} password_hash salt is_superuser";
        let command = Command::parse(text).unwrap();
        let roles: Vec<_> = command.fields.iter().map(|field| field.role).collect();
        assert_eq!(roles, [Role::Hash, Role::Salt, Role::Superuser]);
        let asked = request(Some("a b\r\nDEL x ${clientid}"), "c");
        let values = command.values(&asked).unwrap();
        assert_eq!(values.len(), 1);
        assert_eq!(*values[0], "mqtt_user:a b\r\nDEL x ${clientid}@c");
        for lacking in [
            request(None, "c"),
            request(Some(""), "c"),
            request(Some("a"), ""),
        ] {
            assert_eq!(command.values(&lacking), None);
        }
        assert!(Command::parse("HGET u:${username} password").is_ok());
    }

    #[test]
    fn other_commands_are_refused() {
        for (text, says) in [
            ("", "neither HMGET nor HGET"),
            ("DEL mqtt_user:${username}", "neither HMGET nor HGET"),
            ("HMGET", "no key"),
            ("HMGET users password_hash", "no placeholder"),
            ("HMGET u:${username}", "not for one password_hash"),
            ("HMGET u:${username} salt", "not for one password_hash"),
            (
                "HMGET u:${username} password_hash password",
                "not for one password_hash",
            ),
            (
                "HMGET u:${username} password_hash age",
                "\"age\" is none of",
            ),
            (
                "HMGET u:${username} password_hash ${clientid}",
                "is none of",
            ),
            ("HGET u:${username} password_hash salt", "write HMGET"),
            ("HMGET \"u:${username}\" password_hash", "quotes"),
            ("HMGET u:${password} password_hash", "leave ${password} out"),
            ("HMGET u:${user} password_hash", "${user} is none of"),
        ] {
            let error = Command::parse(text).unwrap_err();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn only_a_clear_yes_is_one() {
        for (text, is) in [
            ("1", true),
            ("true", true),
            ("T", true),
            ("", false),
            ("0", false),
            ("no", false),
            ("2", false),
        ] {
            assert_eq!(is_yes(text), is, "{text}");
        }
    }
}
