//! `backend = "postgresql"` and `backend = "redis"`: databases that are asked who a client is.

use super::{
    ConfigError, Duration, Secret,
    kind::{Choice, FilePath, Flag, Kind, Maybe, Number, Text, Time},
    reader::Section,
    secret::SecretText,
    settings::settings,
};
use mqtt_access::PBKDF2_ITERATIONS_MAX;
use std::fmt;
use std::path::PathBuf;
use toml::de::DeValue;

settings! {
    /// A database server, and what asking it may cost.
    pub struct DatabaseServer {
        /// the database server: `HOST` or `HOST:PORT`, for PostgreSQL also the directory of its unix socket
        server: Option<ServerAddress> = None, Maybe(Server);
        /// with a database: the user that the broker is there
        username: Option<String> = None, Maybe(Text);
        /// with a database: the password of that user
        password: Option<Secret> = None, Maybe(SecretText);
        /// time it has for its answer
        request_timeout: Duration = Duration::from_secs(3),
            Time(Duration::from_millis(1)..=Duration::from_secs(60));
        /// requests to it at a time
        pool_size: usize = 8, Number(1..=1024);
        /// whether the database is reached by TLS; its certificate has to be good, and for its name
        tls as "ssl.enable": bool = false, Flag;
        /// a file with the authorities (PEM) that the database is trusted by; without it, the system's
        cacertfile as "ssl.cacertfile": Option<PathBuf> = None, Maybe(FilePath);
    }
}

settings! {
    /// `password_hash_algorithm.*`: how a database has passwords.
    pub struct PasswordHashing {
        /// how the passwords of a database are hashed: `bcrypt` and `argon2id` have the salt in the hash, the others are in hexadecimal
        name as "password_hash_algorithm.name": HashName = HashName::Sha256, HASH_NAMES;
        /// where the salt goes, with `plain`, `md5`, `sha`, `sha256` and `sha512`
        salt_position as "password_hash_algorithm.salt_position": SaltPlace = SaltPlace::Prefix,
            Choice(&[("prefix", SaltPlace::Prefix), ("suffix", SaltPlace::Suffix), ("disable", SaltPlace::Disable)]);
        /// what `pbkdf2` is of; has to be there with it
        mac_fun as "password_hash_algorithm.mac_fun": Option<MacName> = None, Maybe(MAC_NAMES);
        /// how often, with `pbkdf2`; has to be there with it
        iterations as "password_hash_algorithm.iterations": Option<u32> = None,
            Maybe(Number(1..=PBKDF2_ITERATIONS_MAX));
    }
}

/// `password_based` with `postgresql`: a table of users in PostgreSQL.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PostgreSql {
    /// Where it is.
    pub server: DatabaseServer,
    /// How it has passwords.
    pub hashing: PasswordHashing,
    /// `database`: which one of the server. Has to be there.
    pub database: Option<String>,
    /// `query`: a statement whose first row has `password_hash`, and may have `salt` and `is_superuser`. Has to be there.
    pub query: Option<String>,
}

/// `password_based` with `redis`: users in Redis, a hash each.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Redis {
    /// Where it is.
    pub server: DatabaseServer,
    /// How it has passwords.
    pub hashing: PasswordHashing,
    /// `database`: the number of the one that is asked. Default: 0.
    pub database: u16,
    /// `cmd`: an `HMGET` or `HGET` of `password_hash`, and of `salt` and `is_superuser`. Has to be there.
    pub cmd: Option<String>,
}

/// Where a database server is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ServerAddress {
    /// A name, an address, or the absolute path of a directory.
    pub host: String,
    /// Where something else than the usual one is written.
    pub port: Option<u16>,
}

/// How passwords are hashed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HashName {
    /// Not at all.
    Plain,
    /// MD5.
    Md5,
    /// SHA-1.
    Sha,
    /// SHA-256.
    #[default]
    Sha256,
    /// SHA-512.
    Sha512,
    /// PBKDF2.
    Pbkdf2,
    /// bcrypt.
    Bcrypt,
    /// argon2id.
    Argon2id,
}

/// What PBKDF2 is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum MacName {
    /// HMAC with SHA-1.
    Sha,
    /// HMAC with SHA-256.
    Sha256,
    /// HMAC with SHA-384.
    Sha384,
    /// HMAC with SHA-512.
    Sha512,
}

/// Where a salt goes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum SaltPlace {
    /// Before the password.
    #[default]
    Prefix,
    /// Behind it.
    Suffix,
    /// Nowhere.
    Disable,
}

const HASH_NAMES: Choice<HashName> = Choice(&[
    ("plain", HashName::Plain),
    ("md5", HashName::Md5),
    ("sha", HashName::Sha),
    ("sha256", HashName::Sha256),
    ("sha512", HashName::Sha512),
    ("pbkdf2", HashName::Pbkdf2),
    ("bcrypt", HashName::Bcrypt),
    ("argon2id", HashName::Argon2id),
]);

const MAC_NAMES: Choice<MacName> = Choice(&[
    ("sha", MacName::Sha),
    ("sha256", MacName::Sha256),
    ("sha384", MacName::Sha384),
    ("sha512", MacName::Sha512),
]);

impl PostgreSql {
    pub(super) fn read(section: &Section<'_>) -> Result<Self, ConfigError> {
        let mut database = Self::default();
        database.server.read(section)?;
        section.set(
            "database",
            "with `postgresql`: which database of the server; has to be there",
            &mut database.database,
            &Maybe(Text),
        )?;
        section.set(
            "query",
            "the statement whose first row has `password_hash`, and may have `salt` and `is_superuser`; `${username}`, `${clientid}`, `${peerhost}`, `${listener}`, `${cert_common_name}` and `${cert_subject}` are its parameters; has to be there",
            &mut database.query,
            &Maybe(Text),
        )?;
        database.hashing.read(section)?;
        Ok(database)
    }
}

impl Redis {
    pub(super) fn read(section: &Section<'_>) -> Result<Self, ConfigError> {
        let mut database = Self::default();
        database.server.read(section)?;
        section.set(
            "database",
            "with `redis`: the number of the database that is asked",
            &mut database.database,
            &Number(0..=u16::MAX),
        )?;
        section.set(
            "cmd",
            "an `HMGET` or `HGET` of `password_hash`, and of `salt` and `is_superuser` where they are there, such as `HMGET mqtt_user:${username} password_hash salt is_superuser`; has to be there",
            &mut database.cmd,
            &Maybe(Text),
        )?;
        database.hashing.read(section)?;
        Ok(database)
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) if self.host.contains(':') => write!(f, "[{}]:{port}", self.host),
            Some(port) => write!(f, "{}:{port}", self.host),
            None => f.write_str(&self.host),
        }
    }
}

/// Where a server is.
struct Server;

impl Kind<ServerAddress> for Server {
    fn read(&self, value: &DeValue<'_>) -> Option<ServerAddress> {
        let text = value.as_str()?;
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, rest) = rest.split_once(']')?;
                match rest {
                    "" => (host, None),
                    rest => (host, Some(rest.strip_prefix(':')?)),
                }
            }
            None if text.starts_with('/') => (text, None),
            None => match text.split_once(':') {
                Some((host, port)) if !port.contains(':') => (host, Some(port)),
                _ => (text, None),
            },
        };
        let is_host = |c: char| !c.is_whitespace() && !"@?#,".contains(c);
        let port = match port {
            Some(port) => Some(port.parse().ok().filter(|port| *port > 0)?),
            None => None,
        };
        (!host.is_empty() && host.chars().all(is_host)).then(|| ServerAddress {
            host: host.to_owned(),
            port,
        })
    }

    fn allowed(&self) -> String {
        "one server: `HOST`, `HOST:PORT` or the absolute path of a directory with its unix socket"
            .to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        "`HOST`, `HOST:PORT`".to_owned()
    }

    fn show(&self, value: &ServerAddress) -> String {
        format!("\"{value}\"")
    }
}
