//! `[[authentication]]`: who is asked who a client is, in this order.

use super::{
    ConfigError, Duration, HttpService, Jwt, PostgreSql, Redis,
    kind::{Choice, FilePath, Flag, Frequency, Maybe, Number, OrInfinity, OrWord, Text, Time},
    reader::Section,
    settings::settings,
};
use crate::core::pace::Rate;
use std::path::PathBuf;

settings! {
    /// `authentication_settings.*`: what checking passwords may cost.
    pub struct AuthenticationSettings {
        /// threads that check passwords, at a low priority; `auto` is one per core, at most 8
        password_threads: Option<usize> = None, OrWord("auto", Number(1..=64));
        /// clients that may wait for their password to be checked; more are told that the server is busy
        max_password_queue: usize = 512, Number(1..=1_000_000);
        /// time after a client has left during which its password need not be checked again
        proof_ttl: Duration = Duration::from_secs(10 * 60),
            Time(Duration::from_secs(0)..=Duration::from_secs(24 * 60 * 60));
        /// users whose password need not be checked again, at a time
        max_proofs: usize = 100_000, Number(0..=10_000_000);
        /// failed attempts from one address (one /64 of IPv6); over it, its clients without a fresh proof are refused for a while
        max_failures: Option<Rate> = Some(Rate { count: 30, per: std::time::Duration::from_secs(60) }),
            OrInfinity(Frequency);
    }
}

/// `authentication[]`: one of those asked who a client is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Authenticator {
    /// `name`: what listeners, logs and counters call it. Default: what it is, such as
    /// `password_based:file`, which is then there once only.
    pub name: String,
    /// `enable`: whether it is asked. Default: true.
    pub enable: bool,
    /// `mechanism` and `backend`, and what they need.
    pub kind: AuthenticatorKind,
}

/// How an [`Authenticator`] finds out.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum AuthenticatorKind {
    /// `password_based` with `file`: User Names and hashed passwords in a file.
    File {
        /// `path`: the file, as `mqtt passwd` or `mosquitto_passwd` writes it.
        path: PathBuf,
        /// `user_id_type`: what is looked up in it.
        user_id: UserId,
    },
    /// `password_based` with `built_in_database`: users that are changed while the broker runs.
    BuiltInDatabase {
        /// `bootstrap_file`: users it begins with, as a password file; read while it has none.
        bootstrap_file: Option<PathBuf>,
        /// `user_id_type`: what is looked up in it.
        user_id: UserId,
    },
    /// `password_based` with `http`: a service that is asked.
    Http(Box<HttpService>),
    /// `password_based` with `postgresql`: a table of users.
    PostgreSql(Box<PostgreSql>),
    /// `password_based` with `redis`: users, a hash each.
    Redis(Box<Redis>),
    /// `jwt`: a token that one of the keys has signed.
    Jwt(Box<Jwt>),
    /// `scram` with `built_in_database`: SCRAM-SHA-256 by enhanced authentication.
    Scram,
    /// `certificate`: a client certificate that the listener has verified is enough.
    Certificate {
        /// `username`: what of the certificate becomes the User Name, whatever the client sent.
        username: CertificateName,
    },
}

/// What of a certificate stands for the client.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum CertificateName {
    /// The common name of its subject.
    #[default]
    CommonName,
    /// Its whole subject.
    Subject,
    /// The first of its alternative names.
    AlternativeName,
    /// Its SHA-256 digest.
    Fingerprint,
}

/// What stands for the user.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum UserId {
    /// The User Name.
    #[default]
    Username,
    /// The Client Identifier.
    ClientId,
}

/// What `mechanism` may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Mechanism {
    PasswordBased,
    Jwt,
    Scram,
    Certificate,
}

/// What `backend` may be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Backend {
    File,
    BuiltInDatabase,
    Http,
    PostgreSql,
    Redis,
}

const MECHANISMS: Choice<Mechanism> = Choice(&[
    ("password_based", Mechanism::PasswordBased),
    ("jwt", Mechanism::Jwt),
    ("scram", Mechanism::Scram),
    ("certificate", Mechanism::Certificate),
]);

const CERTIFICATE_NAMES: Choice<CertificateName> = Choice(&[
    ("cn", CertificateName::CommonName),
    ("dn", CertificateName::Subject),
    ("san", CertificateName::AlternativeName),
    ("fingerprint", CertificateName::Fingerprint),
]);

const BACKENDS: Choice<Backend> = Choice(&[
    ("file", Backend::File),
    ("built_in_database", Backend::BuiltInDatabase),
    ("http", Backend::Http),
    ("postgresql", Backend::PostgreSql),
    ("redis", Backend::Redis),
]);

const USER_IDS: Choice<UserId> = Choice(&[
    ("username", UserId::Username),
    ("clientid", UserId::ClientId),
]);

impl Authenticator {
    /// One that reads this password file.
    #[must_use]
    pub fn file(path: PathBuf) -> Self {
        let kind = AuthenticatorKind::File {
            path,
            user_id: UserId::default(),
        };
        Self {
            name: kind.default_name().to_owned(),
            enable: true,
            kind,
        }
    }

    /// `None` while only the keys are asked for.
    pub(super) fn read(section: &Section<'_>) -> Result<Option<Self>, ConfigError> {
        let mechanism = section.need("mechanism", "how clients prove who they are", &MECHANISMS)?;
        let mut name = None;
        section.set(
            "name",
            "what listeners, logs and counters call it; without it, `mechanism:backend`",
            &mut name,
            &Maybe(Text),
        )?;
        let mut enable = true;
        section.set("enable", "whether it is asked", &mut enable, &Flag)?;
        let kind = match mechanism {
            // Only the keys are asked for: all of them.
            None => {
                password_based(section)?;
                Jwt::read_kind(section)?;
                certificate(section)?;
                return Ok(None);
            }
            Some(Mechanism::PasswordBased) => password_based(section)?,
            Some(Mechanism::Jwt) => Some(Jwt::read_kind(section)?),
            Some(Mechanism::Scram) => scram(section)?,
            Some(Mechanism::Certificate) => Some(certificate(section)?),
        };
        Ok(kind.map(|kind| Self {
            name: name.unwrap_or_else(|| kind.default_name().to_owned()),
            enable,
            kind,
        }))
    }
}

impl AuthenticatorKind {
    /// What it is called where no name is given: `mechanism:backend`, as EMQX does.
    #[must_use]
    pub const fn default_name(&self) -> &'static str {
        match self {
            Self::File { .. } => "password_based:file",
            Self::BuiltInDatabase { .. } => "password_based:built_in_database",
            Self::Http(_) => "password_based:http",
            Self::PostgreSql(_) => "password_based:postgresql",
            Self::Redis(_) => "password_based:redis",
            Self::Jwt(_) => "jwt",
            Self::Scram => "scram:built_in_database",
            Self::Certificate { .. } => "certificate",
        }
    }
}

fn password_based(section: &Section<'_>) -> Result<Option<AuthenticatorKind>, ConfigError> {
    let backend = section.need("backend", "what knows the passwords", &BACKENDS)?;
    Ok(match backend {
        None => {
            file(section)?;
            built_in_database(section)?;
            http(section)?;
            postgresql(section)?;
            redis(section)?;
            None
        }
        Some(Backend::File) => file(section)?,
        Some(Backend::BuiltInDatabase) => Some(built_in_database(section)?),
        Some(Backend::Http) => Some(http(section)?),
        Some(Backend::PostgreSql) => Some(postgresql(section)?),
        Some(Backend::Redis) => Some(redis(section)?),
    })
}

fn file(section: &Section<'_>) -> Result<Option<AuthenticatorKind>, ConfigError> {
    let user_id = user_id(section)?;
    let path = section.need(
        "path",
        "the password file, as `mqtt passwd` or `mosquitto_passwd` writes it",
        &FilePath,
    )?;
    Ok(path.map(|path| AuthenticatorKind::File { path, user_id }))
}

fn built_in_database(section: &Section<'_>) -> Result<AuthenticatorKind, ConfigError> {
    let user_id = user_id(section)?;
    let mut bootstrap_file = None;
    section.set(
        "bootstrap_file",
        "a password file whose users the database begins with; read while it has none",
        &mut bootstrap_file,
        &Maybe(FilePath),
    )?;
    Ok(AuthenticatorKind::BuiltInDatabase {
        bootstrap_file,
        user_id,
    })
}

fn http(section: &Section<'_>) -> Result<AuthenticatorKind, ConfigError> {
    let mut service = HttpService::default();
    service.read(section)?;
    Ok(AuthenticatorKind::Http(Box::new(service)))
}

fn postgresql(section: &Section<'_>) -> Result<AuthenticatorKind, ConfigError> {
    let database = PostgreSql::read(section)?;
    Ok(AuthenticatorKind::PostgreSql(Box::new(database)))
}

fn redis(section: &Section<'_>) -> Result<AuthenticatorKind, ConfigError> {
    let database = Redis::read(section)?;
    Ok(AuthenticatorKind::Redis(Box::new(database)))
}

/// Only the built-in database has what SCRAM needs.
fn scram(section: &Section<'_>) -> Result<Option<AuthenticatorKind>, ConfigError> {
    let database = Choice(&[("built_in_database", ())]);
    let backend = section.need("backend", "what knows the passwords", &database)?;
    Ok(backend.map(|()| AuthenticatorKind::Scram))
}

fn certificate(section: &Section<'_>) -> Result<AuthenticatorKind, ConfigError> {
    let mut username = CertificateName::default();
    section.set(
        "username",
        "with `certificate`: what of the certificate becomes the User Name, whatever the client sent",
        &mut username,
        &CERTIFICATE_NAMES,
    )?;
    Ok(AuthenticatorKind::Certificate { username })
}

fn user_id(section: &Section<'_>) -> Result<UserId, ConfigError> {
    let mut user_id = UserId::default();
    section.set(
        "user_id_type",
        "what stands for the user: the User Name, or the Client Identifier",
        &mut user_id,
        &USER_IDS,
    )?;
    Ok(user_id)
}
