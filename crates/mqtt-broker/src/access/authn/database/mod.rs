//! A database that is asked for a user's row: the hash of the password, its salt, and whether the user may do everything.

mod pool;
#[cfg(feature = "postgresql")]
mod postgresql;
#[cfg(feature = "redis")]
mod redis;
mod row;

use super::policy::built_without;
use super::{Asked, Claim, Desk, Verdict, count};
use crate::access::Identity;
use crate::access::template::{Field, Template};
use crate::authenticate::{ConnectRequest, Grant};
use crate::config::{
    AuthenticatorKind, DatabaseServer, HashName, MacName, PasswordHashing, SaltPlace,
};
use mqtt_access::{DigestFunction, MacFunction, SaltPosition, StoredPassword, TableHash};
use mqtt_io::TlsOptions;
use parking_lot::Mutex;
use pool::{FindError, Pool};
use row::Row;
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use zeroize::Zeroizing;

/// One such database.
pub(in crate::access) struct DatabaseAuthenticator {
    name: Arc<str>,
    /// What it was made of: as long as that is the same its connections are kept.
    made_of: MadeOf,
    hashing: TableHash,
    source: Source,
    /// What is checked where there is no user: what was found last, which takes as long.
    decoy: Mutex<StoredPassword>,
    /// Whether the last answer was none, so that an outage is said once.
    is_failing: AtomicBool,
}

/// A part of the configuration, and what its files said.
#[derive(Eq, PartialEq)]
struct MadeOf {
    kind: AuthenticatorKind,
    authorities: Option<Vec<u8>>,
}

enum Source {
    #[cfg(feature = "postgresql")]
    PostgreSql(postgresql::Query, Box<Pool<postgresql::PostgreSqlTable>>),
    #[cfg(feature = "redis")]
    Redis(redis::Command, Box<Pool<redis::RedisTable>>),
}

impl DatabaseAuthenticator {
    /// One for this database; `before` if it is the same.
    ///
    /// # Errors
    /// What is wrong with it, with the key.
    pub(super) fn new(
        name: &Arc<str>,
        kind: &AuthenticatorKind,
        before: Option<&Arc<Self>>,
    ) -> Result<Arc<Self>, String> {
        let (server, hashing) = match kind {
            AuthenticatorKind::PostgreSql(settings) => (&settings.server, &settings.hashing),
            AuthenticatorKind::Redis(settings) => (&settings.server, &settings.hashing),
            kind => return Err(built_without(kind)),
        };
        let made_of = MadeOf {
            kind: kind.clone(),
            authorities: authorities(server)?,
        };
        if let Some(before) = before.filter(|before| before.made_of == made_of) {
            return Ok(Arc::clone(before));
        }
        let hashing = table_hash(hashing)?;
        Ok(Arc::new(Self {
            name: Arc::clone(name),
            source: Source::new(&made_of)?,
            made_of,
            hashing,
            decoy: Mutex::new(hashing.nobody()),
            is_failing: AtomicBool::new(false),
        }))
    }

    /// Who lacks what the question is about cannot be known; everybody else takes time.
    pub(super) fn ask_now(&self, request: &ConnectRequest<'_>) -> Option<Verdict> {
        match self.source.values(request) {
            None => Some(Verdict::Ignore),
            Some(_) => None,
        }
    }

    /// Asks the database, and checks the password that it has. Whatever is no clear answer lets nobody in.
    pub(super) async fn ask(&self, desk: &Arc<Desk>, asked: &Asked) -> Verdict {
        let request = asked.request();
        let Some(values) = self.source.values(&request) else {
            return Verdict::Ignore;
        };
        let row = match self.find(&values).await {
            Ok(Some(row)) => row,
            Ok(None) => return Verdict::Ignore,
            Err(FindError::Full) => return Verdict::Busy,
            Err(_) => return Verdict::Unavailable,
        };
        let Some(password) = &asked.password else {
            return Verdict::Deny("no password");
        };
        let user = self.source.user(&request);
        let stored = match self.hashing.read(&row.hash, &row.salt) {
            Ok(stored) => stored,
            Err(error) => {
                tracing::warn!(authenticator = &*self.name, user, %error, "the password in the database cannot be used");
                return Verdict::Unavailable;
            }
        };
        self.decoy.lock().clone_from(&stored);
        match self.is_right(desk, user, stored, password).await {
            Ok(true) => Verdict::Allow(Box::new(Grant {
                superuser: row.is_superuser,
                identity: Some(Arc::new(Identity {
                    authenticator: Arc::clone(&self.name),
                    user: user.into(),
                    stamp: 0,
                    expires_at_s: None,
                })),
                ..Grant::default()
            })),
            Ok(false) => Verdict::Deny("wrong password"),
            Err(verdict) => verdict,
        }
    }

    /// What is checked, for the time it takes, when nobody knows the user.
    pub(super) fn decoy(&self, request: &ConnectRequest<'_>) -> Option<StoredPassword> {
        self.source.values(request)?;
        Some(self.decoy.lock().clone())
    }

    async fn find(&self, values: &[Zeroizing<String>]) -> Result<Option<Row>, FindError> {
        let found = match &self.source {
            #[cfg(feature = "postgresql")]
            Source::PostgreSql(_, pool) => pool.find(values).await,
            #[cfg(feature = "redis")]
            Source::Redis(_, pool) => pool.find(values).await,
        };
        let authenticator = &*self.name;
        match &found {
            Ok(_) if self.is_failing.swap(false, Ordering::Relaxed) => {
                tracing::info!(authenticator, "the database answers again");
            }
            Ok(_) => {}
            Err(error) if self.is_failing.swap(true, Ordering::Relaxed) => {
                tracing::debug!(authenticator, %error, "asking the database who a client is failed");
            }
            Err(error) => {
                tracing::warn!(authenticator, %error, "asking the database who a client is failed");
            }
        }
        found
    }

    /// Whether this is the password: it was so a moment ago, or a thread finds so.
    async fn is_right(
        &self,
        desk: &Arc<Desk>,
        user: &str,
        stored: StoredPassword,
        password: &Arc<Zeroizing<Vec<u8>>>,
    ) -> Result<bool, Verdict> {
        let claim = Claim {
            authenticator: &self.name,
            user,
        };
        if desk.proofs.holds(claim, password, &stored, Instant::now()) {
            count(&desk.counters.proven);
            return Ok(true);
        }
        let check = {
            let (desk, name) = (Arc::clone(desk), Arc::clone(&self.name));
            let (user, password) = (Box::<str>::from(user), Arc::clone(password));
            move || desk.check(&name, &user, &stored, &password)
        };
        match desk.checks.run(check) {
            Err(_) => Err(Verdict::Busy),
            Ok(answer) => answer
                .await
                .map_err(|_| Verdict::Deny("the password could not be checked")),
        }
    }
}

impl Source {
    fn new(made_of: &MadeOf) -> Result<Self, String> {
        match &made_of.kind {
            #[cfg(feature = "postgresql")]
            AuthenticatorKind::PostgreSql(settings) => {
                let query = settings.query.as_deref().ok_or("it has no `query`")?;
                let query = postgresql::Query::parse(query);
                let query = query.map_err(|error| format!("`query`: {error}"))?;
                let table = postgresql::PostgreSqlTable::new(
                    settings,
                    query.sql(),
                    made_of.authorities.clone(),
                )?;
                let (len_max, timeout) = bounds(&settings.server);
                let pool = Pool::new(table, len_max, timeout);
                Ok(Self::PostgreSql(query, Box::new(pool)))
            }
            #[cfg(feature = "redis")]
            AuthenticatorKind::Redis(settings) => {
                let command = settings.cmd.as_deref().ok_or("it has no `cmd`")?;
                let command = redis::Command::parse(command);
                let command = command.map_err(|error| format!("`cmd`: {error}"))?;
                let tls = tls(&settings.server, made_of.authorities.as_deref())?;
                let table = redis::RedisTable::new(settings, &command, tls)?;
                let (len_max, timeout) = bounds(&settings.server);
                let pool = Pool::new(table, len_max, timeout);
                Ok(Self::Redis(command, Box::new(pool)))
            }
            kind => Err(built_without(kind)),
        }
    }

    /// What the database is asked about; none when the client does not have all of it.
    fn values(&self, request: &ConnectRequest<'_>) -> Option<Vec<Zeroizing<String>>> {
        match self {
            #[cfg(feature = "postgresql")]
            Self::PostgreSql(query, _) => query.values(request),
            #[cfg(feature = "redis")]
            Self::Redis(command, _) => command.values(request),
        }
    }

    /// Whose password it is.
    fn user<'a>(&self, request: &ConnectRequest<'a>) -> &'a str {
        let asks_for_name = match self {
            #[cfg(feature = "postgresql")]
            Self::PostgreSql(query, _) => query.has(Field::Username),
            #[cfg(feature = "redis")]
            Self::Redis(command, _) => command.has(Field::Username),
        };
        let name = request.username.filter(|_| asks_for_name);
        name.unwrap_or(request.client_id)
    }
}

/// How many connections there may be, and how long an answer may take.
fn bounds(server: &DatabaseServer) -> (usize, std::time::Duration) {
    (server.pool_size, server.request_timeout.get())
}

/// What `ssl.cacertfile` says, which has to be certificates.
fn authorities(server: &DatabaseServer) -> Result<Option<Vec<u8>>, String> {
    let Some(path) = &server.cacertfile else {
        return Ok(None);
    };
    let named = |error: &dyn std::fmt::Display| {
        let path = Path::display(path);
        format!("`ssl.cacertfile`: {path}: {error}")
    };
    let pem = std::fs::read(path).map_err(|error| named(&error))?;
    match TlsOptions::new().ca_pem(&pem) {
        Ok(_) => Ok(Some(pem)),
        Err(error) => Err(named(&error)),
    }
}

/// How this server is reached, if by TLS.
#[cfg(feature = "redis")]
fn tls(
    server: &DatabaseServer,
    authorities: Option<&[u8]>,
) -> Result<Option<mqtt_io::TlsConfig>, String> {
    if !server.tls {
        return Ok(None);
    }
    let mut options = TlsOptions::new();
    if let Some(pem) = authorities {
        options = options.ca_pem(pem).map_err(|error| error.to_string())?;
    }
    let tls = options.build().map_err(|error| format!("`ssl`: {error}"))?;
    Ok(Some(tls))
}

/// A placeholder that a database may be asked about: not the password, which stays here.
fn usable(text: &str) -> Result<Template, String> {
    let template = Template::parse(text)?;
    match template.has(Field::Password) {
        true => {
            Err("the password is compared here, and is not sent: leave ${password} out".to_owned())
        }
        false => Ok(template),
    }
}

fn table_hash(hashing: &PasswordHashing) -> Result<TableHash, String> {
    let function = match hashing.name {
        HashName::Bcrypt => return Ok(TableHash::Bcrypt),
        HashName::Argon2id => return Ok(TableHash::Argon2id),
        HashName::Pbkdf2 => return pbkdf2(hashing),
        HashName::Plain => DigestFunction::Plain,
        HashName::Md5 => DigestFunction::Md5,
        HashName::Sha => DigestFunction::Sha1,
        HashName::Sha256 => DigestFunction::Sha256,
        HashName::Sha512 => DigestFunction::Sha512,
    };
    let salt = match hashing.salt_position {
        SaltPlace::Prefix => SaltPosition::Prefix,
        SaltPlace::Suffix => SaltPosition::Suffix,
        SaltPlace::Disable => SaltPosition::Disable,
    };
    Ok(TableHash::Digest { function, salt })
}

fn pbkdf2(hashing: &PasswordHashing) -> Result<TableHash, String> {
    let missing =
        |key: &str| format!("`password_hash_algorithm.{key}` is missing, which pbkdf2 needs");
    let function = match hashing.mac_fun.ok_or_else(|| missing("mac_fun"))? {
        MacName::Sha => MacFunction::Sha1,
        MacName::Sha256 => MacFunction::Sha256,
        MacName::Sha384 => MacFunction::Sha384,
        MacName::Sha512 => MacFunction::Sha512,
    };
    let iterations = hashing.iterations.and_then(NonZeroU32::new);
    let iterations = iterations.ok_or_else(|| missing("iterations"))?;
    Ok(TableHash::Pbkdf2 {
        function,
        iterations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn made(text: &str) -> Result<Arc<DatabaseAuthenticator>, String> {
        let text = format!("[[authentication]]\nmechanism = 'password_based'\n{text}");
        let config = Config::from_toml(&text, "t").unwrap();
        let one = &config.authentication[0];
        DatabaseAuthenticator::new(&one.name.as_str().into(), &one.kind, None)
    }

    #[cfg(feature = "postgresql")]
    #[test]
    fn what_is_missing_of_postgresql_is_named() {
        let lines = [
            ("query = 'SELECT ${username}'", "it has no `query`"),
            ("server = 'db'", "it has no `server`"),
            ("database = 'mqtt'", "it has no `database`"),
            ("username = 'mqtt'", "it has no `username`"),
        ];
        let whole: Vec<_> = lines.iter().map(|(line, _)| *line).collect();
        let start = "backend = 'postgresql'\n";
        assert!(made(&format!("{start}{}", whole.join("\n"))).is_ok());
        for (left_out, says) in lines {
            let rest: Vec<_> = whole
                .iter()
                .filter(|line| **line != left_out)
                .copied()
                .collect();
            let error = made(&format!("{start}{}", rest.join("\n"))).err();
            assert_eq!(error.as_deref(), Some(says));
        }
        let quoted = whole.join("\n").replace("${username}", "\"${username}\"");
        let error = made(&format!("{start}{quoted}")).err().unwrap();
        assert!(
            error.starts_with("`query`: a placeholder stands within quotes"),
            "{error}"
        );
    }

    #[cfg(feature = "redis")]
    #[test]
    fn what_is_wrong_with_redis_is_named() {
        let whole = "backend = 'redis'\nserver = 'db'\ncmd = 'HGET ${username} password'\n";
        assert!(made(whole).is_ok());
        for (from, to, says) in [
            ("server = 'db'\n", "", "it has no `server`"),
            ("'db'", "'/run/redis'", "`server` is a directory"),
            ("cmd = 'HGET ${username} password'\n", "", "it has no `cmd`"),
            ("HGET", "GET", "`cmd`: \"GET\" is neither"),
            (
                "server",
                "ssl.cacertfile = '/no/such/file'\nserver",
                "`ssl.cacertfile`: /no/such/file: ",
            ),
            (
                "server",
                "password_hash_algorithm.name = 'pbkdf2'\nserver",
                "`password_hash_algorithm.mac_fun` is missing",
            ),
            (
                "server",
                "password_hash_algorithm = { name = 'pbkdf2', mac_fun = 'sha' }\nserver",
                "`password_hash_algorithm.iterations` is missing",
            ),
        ] {
            let error = made(&whole.replacen(from, to, 1)).err().unwrap();
            assert!(error.starts_with(says), "{to}: {error}");
        }
    }
}
