//! Asking beforehand who would lose what by another configuration.

use super::Manager;
use crate::access::{Access, AccessRequest, ClientInfo, Ground, UserLoss};
use crate::config::{AccessRule, Config, ListenerKind, LostRight};
use crate::core::rights::{Judges, Settled};
use crate::core::session_cell::{SessionCell, SessionKey};
use crate::extensions::Subscribed;
use crate::reload::{Planned, ReloadError};
use mqtt_codec::QoS;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The most clients a [`Forecast`] names; more are counted.
pub const FORECAST_CLIENTS_MAX: usize = 250;

/// The most losses of one client a [`Forecast`] names; more are counted.
pub const FORECAST_LOSSES_MAX: usize = 16;

/// Sessions looked at before others get their turn.
const SESSIONS_PER_TURN: usize = 128;

/// How long services may be asked, all together.
const PATIENCE: Duration = Duration::from_secs(30);

/// Who would lose what by another configuration.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Forecast {
    /// Sessions that were looked at.
    pub sessions: u64,
    /// Of these, sessions without a connection since the broker was started: nobody knows whose they are.
    pub unknown: u64,
    /// Clients that are connected and would lose something, the oldest session first, up to [`FORECAST_CLIENTS_MAX`].
    pub clients: Vec<Loser>,
    /// How many more there are.
    pub more: u64,
    /// Sessions whose client is away and would lose something.
    pub away: u64,
    /// Whether there was no time to look at all sessions.
    pub is_cut_short: bool,
}

/// A client that would lose something.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Loser {
    /// Its Client Identifier.
    pub client_id: Box<str>,
    /// As whom it is connected.
    pub username: Option<Box<str>>,
    /// From where.
    pub peer: SocketAddr,
    /// Through which listener.
    pub listener: Arc<str>,
    /// Whether its connection would be ended.
    pub is_disconnected: bool,
    /// What it would lose, up to [`FORECAST_LOSSES_MAX`].
    pub losses: Vec<Loss>,
    /// How many more there are.
    pub more: u64,
}

/// What a client would lose.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Loss {
    /// It is not who it has proved to be any more.
    User(Option<UserLoss>),
    /// A subscription.
    Subscription {
        /// Its filter, with `$share/NAME/` where it is shared.
        topic_filter: Box<str>,
        /// What decides, where that is a rule or the lack of one.
        ground: Option<Ground>,
    },
    /// Its Will Message would not be published.
    Will {
        /// Where it would have been.
        topic_name: Box<str>,
    },
    /// It could not come back: `access_rules` of its listener turn its address away.
    Address,
    /// Its listener is not in the configuration.
    Listener,
}

impl Loss {
    /// A short stable word for what is lost.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::Subscription { .. } => "subscription",
            Self::Will { .. } => "will",
            Self::Address => "address",
            Self::Listener => "listener",
        }
    }

    /// The Topic Filter or Topic Name it is about, if it is about one.
    pub fn topic(&self) -> Option<&str> {
        match self {
            Self::Subscription { topic_filter, .. } => Some(topic_filter),
            Self::Will { topic_name } => Some(topic_name),
            Self::User(_) | Self::Address | Self::Listener => None,
        }
    }
}

impl fmt::Display for Loss {
    /// Why it is lost.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(Some(loss)) => loss.fmt(f),
            Self::User(None) => f.write_str("it would not be let in again"),
            Self::Subscription {
                ground: Some(ground),
                ..
            } => ground.fmt(f),
            Self::Subscription { ground: None, .. } => f.write_str("it is not allowed"),
            Self::Will { .. } => f.write_str("it may not publish there"),
            Self::Address => f.write_str("access_rules turn its address away when it comes back"),
            Self::Listener => f.write_str("its listener is not in the configuration"),
        }
    }
}

impl Manager {
    /// Who would lose what by [`reload`](Self::reload) with `config`: asks as [`recheck`](Self::recheck) would after
    /// it, and changes nothing. Files of users and rules are read, services are asked for 30 seconds at most.
    ///
    /// # Errors
    /// [`ReloadError`]: the configuration would be refused.
    pub async fn forecast(&self, config: &Config) -> Result<Forecast, ReloadError> {
        let planned = self.reloader.planned(config)?;
        let judges = planned.judges(self.core.judges());
        let end = Instant::now() + PATIENCE;
        let mut forecast = Forecast::default();
        let mut last = SessionKey(0);
        loop {
            let cells = self.core.sessions_after(last, SESSIONS_PER_TURN);
            let Some(end_of_turn) = cells.last() else {
                return Ok(forecast);
            };
            last = end_of_turn.key;
            for cell in cells {
                let Some(asked) = judges.to_recheck(&cell) else {
                    forecast.sessions += 1;
                    forecast.unknown += 1;
                    continue;
                };
                let Ok(settled) = tokio::time::timeout_at(end, asked.settle()).await else {
                    forecast.is_cut_short = true;
                    return Ok(forecast);
                };
                forecast.sessions += 1;
                forecast.look_at(&cell, settled, &planned, judges);
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Forecast {
    fn look_at(
        &mut self,
        cell: &SessionCell,
        settled: Option<Settled>,
        planned: &Planned<'_>,
        judges: Judges<'_>,
    ) {
        let state = cell.state.lock();
        let (client, is_connected) = (state.client.clone(), state.connected);
        let will = state.will.as_ref().map(|will| Arc::clone(&will.message));
        drop(state);
        let Some(client) = client else { return };
        let (mut losses, mut is_disconnected) = (Vec::new(), false);
        if let Some(settled) = settled {
            if !settled.is_valid() {
                losses.push(Loss::User(planned.user_loss(&client)));
                is_disconnected = true;
            } else if let Some(will) = will.filter(|_| !settled.may_leave_will()) {
                let topic_name = will.topic_name().into();
                losses.push(Loss::Will { topic_name });
            }
            let (client, lost) = settled.into_lost();
            is_disconnected |=
                !lost.is_empty() && judges.access.on_lost_right() == Some(LostRight::Disconnect);
            losses.extend(
                lost.into_iter()
                    .map(|filter| lost_subscription(&client, filter, judges.access)),
            );
        }
        let way_back = no_way_back(&client, planned.config);
        is_disconnected |= way_back == Some(Loss::Listener);
        losses.extend(way_back);
        match (losses.is_empty(), is_connected) {
            (true, _) => {}
            (false, false) => self.away += 1,
            (false, true) if self.clients.len() >= FORECAST_CLIENTS_MAX => self.more += 1,
            (false, true) => {
                let all = losses.len();
                losses.truncate(FORECAST_LOSSES_MAX);
                self.clients.push(Loser {
                    client_id: client.client_id.clone(),
                    username: client.username.clone(),
                    peer: client.peer,
                    listener: Arc::clone(&client.listener),
                    is_disconnected,
                    more: u64::try_from(all - losses.len()).unwrap_or(u64::MAX),
                    losses,
                });
            }
        }
    }
}

fn lost_subscription(client: &ClientInfo, topic_filter: Box<str>, access: &dyn Access) -> Loss {
    let subscribed = Subscribed::of(&topic_filter);
    let explanation = access.explain(&AccessRequest::Subscribe {
        client,
        topic_filter: subscribed.matched(),
        qos: QoS::AtMostOnce,
    });
    let ground = explanation.filter(|explanation| !explanation.is_allowed);
    let ground = ground.map(|explanation| explanation.ground);
    Loss::Subscription {
        // Nobody was asked a second time who had to be waited for.
        ground: ground.filter(|ground| *ground != Ground::ServiceFailed),
        topic_filter,
    }
}

/// Why a client that is in would not get in again, as far as its listener says it.
fn no_way_back(client: &ClientInfo, config: &Config) -> Option<Loss> {
    let Some(listener) = config.listeners.get(&*client.listener) else {
        return Some(Loss::Listener);
    };
    let has_address = listener.kind != ListenerKind::Unix;
    let is_kept_out = has_address && !AccessRule::allows(&listener.access_rules, client.peer.ip());
    is_kept_out.then_some(Loss::Address)
}
