//! The authenticators of a configuration, and which of them are asked at which listener.

#[cfg(any(feature = "postgresql", feature = "redis"))]
use super::database::DatabaseAuthenticator;
#[cfg(feature = "http")]
use super::http::HttpAuthenticator;
use super::jwt::JwtAuthenticator;
use super::{
    Asked, Desk, Heard, ScramAuthenticator, UserStore, UserTable, Users, Verdict, certificate,
};
use crate::access::Identity;
use crate::authenticate::ConnectRequest;
use crate::config::{Authenticator, AuthenticatorKind, CertificateName, Config, ConfigError};
use mqtt_access::StoredPassword;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Who is asked who clients are.
pub(in crate::access) struct Policy {
    listeners: BTreeMap<Box<str>, Chain>,
    /// For a listener that is not in the configuration.
    all: Chain,
    all_named: Vec<Arc<One>>,
    /// How long a client may wait: a little less than the time after which it would count as refused.
    pub(in crate::access) patience: Duration,
}

/// Those asked at one listener, in their order.
#[derive(Clone, Default)]
pub(in crate::access) struct Chain {
    ones: Vec<Arc<One>>,
    /// Whether there is anybody to ask anywhere, so that a client of this listener is nobody without having been asked.
    pub(in crate::access) is_anonymous: bool,
    /// Whether clients that say nothing of themselves may come in.
    pub(in crate::access) allow_anonymous: bool,
}

/// One authenticator.
struct One {
    name: Arc<str>,
    kind: Kind,
}

enum Kind {
    Users(UserTable),
    #[cfg(feature = "http")]
    Http(Box<HttpAuthenticator>),
    #[cfg(any(feature = "postgresql", feature = "redis"))]
    Database(Arc<DatabaseAuthenticator>),
    Jwt(Box<JwtAuthenticator>),
    Scram(Arc<ScramAuthenticator>),
    Certificate(CertificateName),
}

impl Policy {
    /// What this configuration says; of the one before, connections that are used as before are kept.
    ///
    /// # Errors
    /// A file cannot be read, or has a line that is wrong.
    pub(in crate::access) fn of(
        config: &Config,
        store: &UserStore,
        before: Option<&Self>,
    ) -> Result<Self, ConfigError> {
        let mut ones = Vec::new();
        let before = before.map_or(&[][..], |before| &before.all_named);
        for one in config.authentication.iter().filter(|one| one.enable) {
            let before = before.iter().find(|before| *before.name == *one.name);
            let made = One::of(one, store, before.map(|before| &before.kind)).map_err(|cause| {
                ConfigError::Authenticator {
                    name: one.name.clone(),
                    cause,
                }
            })?;
            ones.push(Arc::new(made));
        }
        let chain = |names: &mut dyn Iterator<Item = &Authenticator>| Chain {
            is_anonymous: false,
            allow_anonymous: config.allow_anonymous,
            ones: names
                .filter_map(|wanted| ones.iter().find(|one| *one.name == *wanted.name))
                .cloned()
                .collect(),
        };
        let listeners = config.listeners.iter().map(|(name, listener)| {
            let mut chain = chain(&mut config.authenticators_of(listener));
            chain.is_anonymous = chain.ones.is_empty() && !ones.is_empty();
            chain.allow_anonymous = config.allows_anonymous(listener);
            (name.as_str().into(), chain)
        });
        Ok(Self {
            listeners: listeners.collect(),
            all: chain(&mut config.authentication.iter().filter(|one| one.enable)),
            all_named: ones,
            patience: config.mqtt.access_timeout.get() * 9 / 10,
        })
    }

    /// Those asked at a listener.
    pub(in crate::access) fn at(&self, listener: &str) -> &Chain {
        self.listeners.get(listener).unwrap_or(&self.all)
    }

    /// Whether anybody is asked anywhere.
    pub(in crate::access) fn asks(&self) -> bool {
        !self.all_named.is_empty()
    }
}

impl Chain {
    /// Whether nobody is asked.
    pub(in crate::access) fn is_empty(&self) -> bool {
        self.ones.is_empty()
    }

    /// What the first says that does not ignore the client; the place of the first that needs time, if one does.
    pub(in crate::access) fn ask_now(
        &self,
        desk: &Desk,
        request: &ConnectRequest<'_>,
    ) -> Result<(Verdict, Option<Arc<str>>), usize> {
        for (place, one) in self.ones.iter().enumerate() {
            match one.ask_now(desk, request) {
                Some(Verdict::Ignore) => {}
                Some(verdict) => return Ok((verdict, Some(Arc::clone(&one.name)))),
                None => return Err(place),
            }
        }
        Ok((Verdict::Ignore, None))
    }

    /// The same, with time, from that place on.
    pub(in crate::access) async fn ask(
        &self,
        desk: &Arc<Desk>,
        asked: &Asked,
        from: usize,
    ) -> (Verdict, Option<Arc<str>>) {
        for one in self.ones.iter().skip(from) {
            match one.ask(desk, asked).await {
                Verdict::Ignore => {}
                verdict => return (verdict, Some(Arc::clone(&one.name))),
            }
        }
        (Verdict::Ignore, None)
    }

    /// What each says, in their order, up to the first that decides or would need a password to.
    pub(in crate::access) async fn ask_each(
        &self,
        desk: &Arc<Desk>,
        asked: &Asked,
        patience: Duration,
    ) -> Vec<(Arc<str>, Heard)> {
        let mut all = Vec::new();
        for one in &self.ones {
            let heard = tokio::time::timeout(patience, one.hear(desk, asked)).await;
            let heard = heard.unwrap_or(Heard::Said(Verdict::Unavailable));
            let goes_on = matches!(heard, Heard::Said(Verdict::Ignore) | Heard::NotForConnect);
            all.push((Arc::clone(&one.name), heard));
            if !goes_on {
                break;
            }
        }
        all
    }

    /// What is checked, for the time it takes, when nobody knows the user.
    pub(in crate::access) fn decoy(&self, request: &ConnectRequest<'_>) -> Option<StoredPassword> {
        let tables = self.ones.iter().map(|one| match &one.kind {
            Kind::Users(table) => table.decoy(request),
            #[cfg(any(feature = "postgresql", feature = "redis"))]
            Kind::Database(database) => database.decoy(request),
            _ => None,
        });
        request.password.and(tables.flatten().next())
    }

    /// The first that takes SCRAM-SHA-256.
    pub(in crate::access) fn scram(&self) -> Option<&Arc<ScramAuthenticator>> {
        self.ones.iter().find_map(|one| match &one.kind {
            Kind::Scram(scram) => Some(scram),
            _ => None,
        })
    }

    /// Whether the authenticator of that name is asked.
    pub(in crate::access) fn asks(&self, authenticator: &str) -> bool {
        self.ones.iter().any(|one| *one.name == *authenticator)
    }

    /// Whether who proved this identity would be let in with it still.
    pub(in crate::access) fn is_valid(&self, desk: &Desk, identity: &Identity) -> bool {
        let one = self
            .ones
            .iter()
            .find(|one| one.name == identity.authenticator);
        one.is_some_and(|one| match &one.kind {
            Kind::Users(table) => table.is_valid(desk, identity),
            Kind::Scram(scram) => scram.is_valid(desk, identity),
            // What they showed is good until it expires.
            _ => true,
        })
    }
}

impl Kind {
    #[cfg(not(any(feature = "postgresql", feature = "redis")))]
    fn database(
        _name: &Arc<str>,
        kind: &AuthenticatorKind,
        _before: Option<&Self>,
    ) -> Result<Self, String> {
        Err(built_without(kind))
    }

    #[cfg(any(feature = "postgresql", feature = "redis"))]
    fn database(
        name: &Arc<str>,
        kind: &AuthenticatorKind,
        before: Option<&Self>,
    ) -> Result<Self, String> {
        let before = before.and_then(|before| match before {
            Self::Database(database) => Some(database),
            _ => None,
        });
        DatabaseAuthenticator::new(name, kind, before).map(Self::Database)
    }
}

impl One {
    fn of(one: &Authenticator, store: &UserStore, before: Option<&Kind>) -> Result<Self, String> {
        let name: Arc<str> = one.name.as_str().into();
        let table = |user_id, users| {
            Kind::Users(UserTable {
                name: Arc::clone(&name),
                user_id,
                users,
            })
        };
        let kind = match &one.kind {
            AuthenticatorKind::File { path, user_id } => {
                table(*user_id, Users::File(users_of(path)?))
            }
            AuthenticatorKind::BuiltInDatabase {
                bootstrap_file,
                user_id,
            } => {
                if let Some(path) = bootstrap_file.as_ref().filter(|_| store.is_empty()) {
                    let taken = store.bootstrap(&users_of(path)?);
                    let taken = taken.map_err(|error| error.to_string())?;
                    tracing::info!(users = taken, file = %path.display(), "the user database begins with a file");
                }
                table(*user_id, Users::Store(store.clone()))
            }
            #[cfg(feature = "http")]
            AuthenticatorKind::Http(service) => {
                Kind::Http(Box::new(HttpAuthenticator::new(&name, service)?))
            }
            #[cfg(not(feature = "http"))]
            AuthenticatorKind::Http(_) => return Err(built_without(&one.kind)),
            AuthenticatorKind::PostgreSql(_) | AuthenticatorKind::Redis(_) => {
                Kind::database(&name, &one.kind, before)?
            }
            AuthenticatorKind::Jwt(jwt) => Kind::Jwt(Box::new(JwtAuthenticator::new(&name, jwt)?)),
            AuthenticatorKind::Scram => {
                let scram = ScramAuthenticator::new(&name, store);
                Kind::Scram(Arc::new(scram.map_err(|error| error.to_string())?))
            }
            AuthenticatorKind::Certificate { username } => Kind::Certificate(*username),
        };
        Ok(Self { name, kind })
    }

    /// What is known at once; none when that takes time.
    fn ask_now(&self, desk: &Desk, request: &ConnectRequest<'_>) -> Option<Verdict> {
        match &self.kind {
            Kind::Users(table) => table.ask_now(desk, request),
            #[cfg(feature = "http")]
            Kind::Http(http) => http.ask_now(desk, request),
            #[cfg(any(feature = "postgresql", feature = "redis"))]
            Kind::Database(database) => database.ask_now(request),
            Kind::Jwt(jwt) => Some(jwt.ask(request)),
            // It is for clients with an Authentication Method.
            Kind::Scram(_) => Some(Verdict::Ignore),
            Kind::Certificate(field) => Some(certificate::ask(&self.name, *field, request)),
        }
    }

    /// What it says to somebody who has time, and may have no password.
    async fn hear(&self, desk: &Arc<Desk>, asked: &Asked) -> Heard {
        let has_password = asked.password.is_some() || asked.username.is_none();
        match &self.kind {
            Kind::Scram(_) if has_password => return Heard::NotForConnect,
            Kind::Certificate(_) => {}
            Kind::Users(table) if !has_password && !table.knows(&asked.request()) => {}
            Kind::Jwt(jwt) if has_password || !jwt.is_in_password() => jwt.have_keys().await,
            _ if has_password => {}
            _ => return Heard::NeedsPassword,
        }
        Heard::Said(self.ask(desk, asked).await)
    }

    async fn ask(&self, desk: &Arc<Desk>, asked: &Asked) -> Verdict {
        match (self.ask_now(desk, &asked.request()), &self.kind) {
            (Some(verdict), _) => verdict,
            (None, Kind::Users(table)) => table.ask(desk, asked).await,
            #[cfg(feature = "http")]
            (None, Kind::Http(http)) => http.ask(desk, asked).await,
            #[cfg(any(feature = "postgresql", feature = "redis"))]
            (None, Kind::Database(database)) => database.ask(desk, asked).await,
            (None, _) => Verdict::Ignore,
        }
    }
}

/// What is said of an authenticator that takes a feature of this crate which is not there.
pub(super) fn built_without(kind: &AuthenticatorKind) -> String {
    let name = kind.default_name();
    let feature = name.rsplit(':').next().unwrap_or(name);
    format!("this program was built without `{feature}`")
}

fn users_of(path: &Path) -> Result<mqtt_access::Users, String> {
    mqtt_access::Users::open(path).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration names what this program lacks, or what is wrong with what it has.
    #[test]
    fn what_is_not_built_in_is_said() {
        for (backend, is_built_in) in [
            ("http", cfg!(feature = "http")),
            ("postgresql", cfg!(feature = "postgresql")),
            ("redis", cfg!(feature = "redis")),
        ] {
            let text = format!(
                "[[authentication]]\nmechanism = \"password_based\"\nbackend = \"{backend}\""
            );
            let config = Config::from_toml(&text, "t").unwrap();
            let made = Policy::of(&config, &UserStore::in_memory(), None);
            let error = made.err().unwrap().to_string();
            let lacks = format!("this program was built without `{backend}`");
            assert_eq!(error.contains(&lacks), !is_built_in, "{error}");
        }
    }
}
