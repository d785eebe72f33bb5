//! The built-in authentication: asks the authenticators of the configuration who clients are.

use super::authn::{
    Asked, AuthenticationCounts, Chain, Claim, Desk, Policy, SCRAM_METHOD, ScramSteps, UserStore,
    Verdict, count, now_s,
};
use super::{ClientInfo, Identity};
use crate::authenticate::{
    AuthAnswer, AuthStep, Authenticate, ConnectRequest, Exchange, Grant, Refusal,
};
use crate::config::{Config, ConfigError};
use crate::core::cause::EndCause;
use crate::hooks::{Hooks, Interest};
use mqtt_codec::ReasonCode;
use parking_lot::RwLock;
use std::fmt;
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;

/// The file of the built-in user database, in the data directory.
pub(super) const USERS_FILE: &str = "users";

/// Asks the authenticators of a configuration; the first that knows the client decides, and whom none knows stays out.
///
/// Passwords are checked on threads of their own, as many at a time as the configuration says.
pub struct Guard {
    desk: Arc<Desk>,
    store: UserStore,
    policy: RwLock<Arc<Policy>>,
    /// Where keys are fetched; none outside of one.
    runtime: Option<Handle>,
}

/// Why a client that was let in would not be let in again.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum UserLoss {
    /// Its user is gone, or has another password.
    GoneOrChanged,
    /// The authenticator that let it in is not asked at its listener.
    NotAsked,
    /// What it showed has expired.
    Expired,
    /// It has a user name that nobody proved.
    Unproved,
    /// It has said nothing of itself, which is not enough.
    Nobody,
}

impl fmt::Display for UserLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::GoneOrChanged => "its user is gone or has another password",
            Self::NotAsked => "who let it in is not asked at its listener",
            Self::Expired => "what it showed has expired",
            Self::Unproved => "its user name was never proved",
            Self::Nobody => "it has not said who it is",
        })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("users", &self.store)
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

impl Guard {
    /// What this configuration says. The built-in users are in `node.data_dir`; without one, or where nothing is kept
    /// over a restart, they are in memory.
    ///
    /// # Errors
    /// A file cannot be read, or a line of one is wrong.
    pub fn from_config(config: &Config) -> Result<Self, ConfigError> {
        let store = match &config.node.data_dir {
            Some(data_dir) => UserStore::open(&data_dir.join(USERS_FILE)).map_err(|error| {
                ConfigError::Authenticator {
                    name: "built_in_database".to_owned(),
                    cause: error.to_string(),
                }
            })?,
            None => UserStore::in_memory(),
        };
        let policy = Policy::of(config, &store, None)?;
        Ok(Self {
            desk: Arc::new(Desk::new(&config.authentication_settings)),
            store,
            policy: RwLock::new(Arc::new(policy)),
            runtime: Handle::try_current().ok(),
        })
    }

    /// Whether [`from_config`](Self::from_config) would take this configuration, without its users.
    ///
    /// # Errors
    /// A file cannot be read, a line of one is wrong, or an authenticator is not whole.
    pub fn check(config: &Config) -> Result<(), ConfigError> {
        Policy::of(config, &UserStore::in_memory(), None).map(drop)
    }

    /// Reads the files again, and asks from now on whom this configuration says. Who is connected stays so:
    /// [`still_valid`](Self::still_valid) tells who would not be let in any more.
    ///
    /// # Errors
    /// A file cannot be read, or a line of one is wrong; then all stays as it was.
    pub fn reload(&self, config: &Config) -> Result<(), ConfigError> {
        let _inside = self.runtime.as_ref().map(Handle::enter);
        let policy = Policy::of(config, &self.store, Some(&self.policy()))?;
        self.desk.bound(&config.authentication_settings);
        *self.policy.write() = Arc::new(policy);
        Ok(())
    }

    /// One that goes by another configuration, to ask it about clients that this one has let in.
    ///
    /// # Errors
    /// As of [`reload`](Self::reload).
    pub(crate) fn planned(&self, config: &Config) -> Result<Self, ConfigError> {
        let _inside = self.runtime.as_ref().map(Handle::enter);
        // A database that is filled from a file when it is empty stays empty.
        let store = match self.store.is_empty() {
            true => UserStore::in_memory(),
            false => self.store.clone(),
        };
        let policy = Policy::of(config, &store, None)?;
        Ok(Self {
            desk: Arc::clone(&self.desk),
            store,
            policy: RwLock::new(Arc::new(policy)),
            runtime: self.runtime.clone(),
        })
    }

    /// The users of the built-in database.
    #[must_use]
    pub const fn users(&self) -> &UserStore {
        &self.store
    }

    /// What has happened so far.
    #[must_use]
    pub fn counts(&self) -> AuthenticationCounts {
        self.desk.counts()
    }

    /// Whether a client that is connected would be let in again: its user is there, with the password it had, and what
    /// it showed has not expired.
    #[must_use]
    pub fn still_valid(&self, client: &ClientInfo) -> bool {
        self.user_loss(client).is_none()
    }

    /// Why a client that is connected would not be let in again; none where it would.
    #[must_use]
    pub fn user_loss(&self, client: &ClientInfo) -> Option<UserLoss> {
        let policy = self.policy();
        let chain = policy.at(&client.listener);
        match client.identity.as_deref() {
            _ if is_over(client) => Some(UserLoss::Expired),
            Some(identity) if !chain.asks(&identity.authenticator) => Some(UserLoss::NotAsked),
            Some(identity) => {
                (!chain.is_valid(&self.desk, identity)).then_some(UserLoss::GoneOrChanged)
            }
            None if chain.is_empty() && !chain.is_anonymous => None,
            None if client.username.is_some() => Some(UserLoss::Unproved),
            None => (!chain.is_empty() && !chain.allow_anonymous).then_some(UserLoss::Nobody),
        }
    }

    /// A client was disconnected because what it had shown has expired.
    pub(super) fn note_expired(&self) {
        count(&self.desk.counters.expired);
    }

    fn policy(&self) -> Arc<Policy> {
        Arc::clone(&self.policy.read())
    }
}

impl Authenticate for Guard {
    fn connect(&self, request: &ConnectRequest<'_>) -> AuthAnswer {
        let policy = self.policy();
        let chain = policy.at(request.listener);
        let case = Case {
            desk: &self.desk,
            chain,
        };
        if chain.is_empty() {
            count(&self.desk.counters.anonymous);
            return AuthAnswer::Ready(AuthStep::Accept(Box::new(Grant {
                anonymous: chain.is_anonymous,
                ..Grant::default()
            })));
        }
        let from = match chain.ask_now(&self.desk, request) {
            Ok((Verdict::Ignore, _)) if chain.decoy(request).is_some() => usize::MAX,
            Ok((verdict, who)) => {
                return AuthAnswer::Ready(case.conclude(verdict, who.as_deref(), request));
            }
            Err(from) => from,
        };
        if let Some(refused) = case.limited(request) {
            return AuthAnswer::Ready(refused);
        }
        let (desk, asked) = (Arc::clone(&self.desk), Asked::of(request));
        AuthAnswer::Pending(Box::pin(async move {
            let chain = policy.at(&asked.listener);
            let case = Case { desk: &desk, chain };
            let answer = async {
                let (mut verdict, who) = chain.ask(&desk, &asked, from).await;
                if matches!(verdict, Verdict::Ignore)
                    && let Some(decoy) = chain.decoy(&asked.request())
                {
                    verdict = case.take_as_long(decoy, &asked).await;
                }
                (verdict, who)
            };
            // A client that has waited too long is no stranger: it may try again.
            let answer = tokio::time::timeout(policy.patience, answer).await;
            let (verdict, who) = answer.unwrap_or((Verdict::Busy, None));
            case.conclude(verdict, who.as_deref(), &asked.request())
        }))
    }

    fn still_valid(&self, client: &ClientInfo) -> bool {
        Self::still_valid(self, client)
    }

    fn exchange(&self, request: &ConnectRequest<'_>) -> Option<Box<dyn Exchange>> {
        if request.method != Some(SCRAM_METHOD) {
            return None;
        }
        let policy = self.policy();
        let scram = policy.at(request.listener).scram()?;
        let (peer, known_as) = (request.peer, request.username);
        let steps = ScramSteps::new(&self.desk, scram, peer, known_as);
        Some(Box::new(steps))
    }
}

/// What is asked about one client.
struct Case<'a> {
    desk: &'a Arc<Desk>,
    chain: &'a Chain,
}

impl Case<'_> {
    /// The refusal of a client whose address has had too many failures, if it has.
    fn limited(&self, request: &ConnectRequest<'_>) -> Option<AuthStep> {
        let (peer, username) = (request.peer, request.username);
        if self.desk.attempts.may_try(peer.ip(), Instant::now()) {
            return None;
        }
        count(&self.desk.counters.limited);
        tracing::debug!(%peer, username, "refused: too many failures from this address");
        Some(AuthStep::refuse(ReasonCode::CONNECTION_RATE_EXCEEDED))
    }

    /// A user that nobody knows takes as long as a wrong password.
    async fn take_as_long(&self, decoy: mqtt_access::StoredPassword, asked: &Asked) -> Verdict {
        let Some(password) = asked.password.clone() else {
            return Verdict::Ignore;
        };
        count(&self.desk.counters.checked);
        let check = move || std::hint::black_box(decoy.verify(&password));
        match self.desk.checks.run(check) {
            Err(_) => Verdict::Busy,
            Ok(answer) => {
                let _whatever = answer.await;
                Verdict::Ignore
            }
        }
    }

    fn conclude(
        &self,
        verdict: Verdict,
        authenticator: Option<&str>,
        request: &ConnectRequest<'_>,
    ) -> AuthStep {
        let counters = &self.desk.counters;
        let (peer, username, client_id) = (request.peer, request.username, request.client_id);
        let (reason, cause) = match verdict {
            Verdict::Allow(grant) => {
                count(&counters.accepted);
                return AuthStep::Accept(grant);
            }
            Verdict::Ignore if self.may_be_nobody(request) => {
                count(&counters.anonymous);
                return AuthStep::accept();
            }
            Verdict::Busy => {
                count(&counters.busy);
                tracing::warn!(%peer, client_id, "refused: too many clients wait to be asked who they are");
                return AuthStep::refuse(ReasonCode::SERVER_BUSY);
            }
            Verdict::Unavailable => {
                count(&counters.unavailable);
                tracing::warn!(%peer, client_id, authenticator, "refused: who had to be asked gave no answer");
                return AuthStep::refuse(ReasonCode::SERVER_UNAVAILABLE);
            }
            Verdict::Ignore if username.is_none() && request.password.is_none() => {
                (ReasonCode::NOT_AUTHORIZED, "it says not who it is")
            }
            // A stranger must not learn which of the two it was.
            Verdict::Ignore => (ReasonCode::BAD_USER_NAME_OR_PASSWORD, "nobody knows it"),
            Verdict::Deny(cause) => (ReasonCode::BAD_USER_NAME_OR_PASSWORD, cause),
        };
        count(&counters.refused);
        self.desk.attempts.failed(peer.ip(), Instant::now());
        tracing::info!(%peer, client_id, username, authenticator, cause, "client refused");
        AuthStep::Refuse(Box::new(Refusal::new(reason)))
    }

    /// Whether clients that say nothing of themselves may come in, and this is one.
    fn may_be_nobody(&self, request: &ConnectRequest<'_>) -> bool {
        let says_nothing = request.username.is_none() && request.password.is_none();
        says_nothing && self.chain.allow_anonymous && !self.chain.is_empty()
    }
}

impl Hooks for Guard {
    fn interest(&self) -> Interest {
        match self.policy.read().asks() {
            true => Interest::CLIENTS,
            false => Interest::NONE,
        }
    }

    fn connected(&self, client: &ClientInfo, _session_present: bool) {
        if let Some(identity) = client.identity.as_deref() {
            self.desk.proofs.connected(claim(identity));
        }
    }

    fn disconnected(&self, client: &ClientInfo, _cause: EndCause) {
        if let Some(identity) = client.identity.as_deref() {
            let now = Instant::now();
            self.desk.proofs.disconnected(claim(identity), now);
        }
    }
}

fn claim(identity: &Identity) -> Claim<'_> {
    Claim {
        authenticator: &identity.authenticator,
        user: &identity.user,
    }
}

/// Whether the time of what was shown is over.
fn is_over(client: &ClientInfo) -> bool {
    client.expires_at_s().is_some_and(|at| at <= now_s())
}
