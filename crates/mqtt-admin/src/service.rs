//! Answers requests from the management interface of a broker.

use crate::host::Host;
use crate::metrics::{all_metrics, counters};
use crate::protocol::{
    ChangeEntry, ClientEntry, ClientFilter, Fault, ForecastEntry, LIST_MAX, List, LoserEntry,
    LossEntry, ReloadEntry, Request, Status, SubscriptionEntry,
};
use mqtt_broker::config::{Change, Effect};
use mqtt_broker::manage::{ClientView, Cursor, Forecast, Loser, Rechecked, SubscriptionView};
use mqtt_broker::{Manager, ReloadReport};
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

/// Sessions looked at for one answer, whether they are in it or not.
const LOOKED_AT_MAX: usize = 100_000;

/// Answers requests; cheap to clone.
#[derive(Clone)]
pub struct Service {
    pub(crate) manager: Manager,
    host: Arc<dyn Host>,
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("manager", &self.manager)
            .finish_non_exhaustive()
    }
}

impl Service {
    /// Answers for the broker of `manager`, which `host` runs.
    pub fn new(manager: Manager, host: impl Host) -> Self {
        Self {
            manager,
            host: Arc::new(host),
        }
    }

    /// Does what is asked.
    ///
    /// # Errors
    /// [`Fault`]: it was not done.
    pub async fn answer(&self, request: &Request) -> Result<Value, Fault> {
        let manager = &self.manager;
        match request {
            Request::Status => written(&self.status()),
            Request::Clients {
                filter,
                after,
                limit,
            } => written(&self.clients(filter, *after, *limit)),
            Request::Client { client_id } => match manager.client(client_id) {
                Some(client) => written(&client_entry(&client)),
                None => Err(no_session(client_id)),
            },
            Request::Kick { client_id } => self.kick(client_id),
            Request::Subscriptions {
                client_id: Some(client_id),
                ..
            } => match manager.subscriptions_of(client_id) {
                Some(subscriptions) => written(&List {
                    items: subscriptions.iter().map(subscription_entry).collect(),
                    next: None,
                }),
                None => Err(no_session(client_id)),
            },
            Request::Subscriptions { after, limit, .. } => {
                let page = manager.subscriptions(cursor(*after).as_ref(), (*limit).min(LIST_MAX));
                written(&List {
                    items: page.items.iter().map(subscription_entry).collect(),
                    next: page.next.as_ref().and_then(place),
                })
            }
            Request::Counters => written(&counters(manager, &*self.host)),
            Request::Metrics => written(&all_metrics(manager, &*self.host)),
            Request::Reload => written(&reload_entry(&self.reload().await?)),
            Request::Plan { origin, text } => {
                let config = self.host.read(text, origin).map_err(Fault::invalid)?;
                let report = manager.plan(&config).map_err(Fault::invalid)?;
                let forecast = manager.forecast(&config).await;
                let forecast = forecast.map_err(Fault::invalid)?;
                written(&ReloadEntry {
                    forecast: Some(forecast_entry(&forecast)),
                    ..reload_entry(&report)
                })
            }
            Request::Bans => written(&self.bans()),
            Request::Ban {
                who,
                reason,
                seconds,
            } => self.ban(who, reason, *seconds),
            Request::Unban { who } => self.unban(who),
            Request::Refusals { client_id, limit } => {
                written(&self.refusals(client_id.as_deref(), *limit))
            }
            Request::Refusal { reference } => self.refusal(reference),
            Request::Users { after } => self.users(after.as_deref()),
            Request::AddUser {
                username,
                password,
                superuser,
            } => self.add_user(username, password, *superuser),
            Request::SetPassword { username, password } => {
                self.set_password(username, password).await
            }
            Request::DeleteUser { username } => self.delete_user(username).await,
            Request::LogLevel => written(&self.host.log_level()),
            Request::SetLogLevel { level } => {
                self.host.set_log_level(level).map_err(Fault::invalid)?;
                tracing::info!(level, "log level changed by an administrator");
                Ok(Value::Null)
            }
        }
    }

    /// Reads the configuration again and takes it over, as `SIGHUP` asks for.
    ///
    /// # Errors
    /// [`Fault`]: it is refused, and everything stays as it is.
    pub async fn reload(&self) -> Result<ReloadReport, Fault> {
        let taken = self.take_over().await;
        match &taken {
            Ok(report) => {
                let (live, restart) = (report.live.len(), report.needs_restart.len());
                let listener_closed = report.listener_closed;
                let Rechecked {
                    clients_disconnected,
                    subscriptions_removed,
                    ..
                } = report.rechecked;
                tracing::info!(
                    live,
                    restart,
                    listener_closed,
                    clients_disconnected,
                    subscriptions_removed,
                    "configuration reloaded"
                );
                for change in &report.live {
                    tracing::info!("changed: {change} ({})", change.effect.words());
                }
                for failed in &report.failed {
                    tracing::error!("not taken over: {failed}");
                }
                for change in &report.needs_restart {
                    tracing::warn!("takes a restart: {change}");
                }
            }
            Err(fault) => tracing::error!("configuration not reloaded: {fault}"),
        }
        taken
    }

    async fn take_over(&self) -> Result<ReloadReport, Fault> {
        let config = self.host.load().map_err(Fault::invalid)?;
        let report = self.manager.reload(config.clone()).await;
        let report = report.map_err(Fault::invalid)?;
        self.host.taken_over(&config);
        Ok(report)
    }

    fn status(&self) -> Status {
        let (info, sizes) = (self.manager.info(), self.manager.sizes());
        Status {
            node: info.node.to_string(),
            version: info.version.to_owned(),
            pid: std::process::id(),
            uptime_s: info.uptime().as_secs(),
            connections: sizes.connections,
            sessions: sizes.sessions,
            subscriptions: sizes.subscriptions,
            retained: sizes.retained,
        }
    }

    /// As many as fit; a part may be empty and still not the last.
    fn clients(
        &self,
        filter: &ClientFilter,
        after: Option<u64>,
        limit: usize,
    ) -> List<ClientEntry> {
        let limit = limit.clamp(1, LIST_MAX);
        let mut list = List {
            items: Vec::new(),
            next: after,
        };
        let mut looked_at = 0;
        loop {
            let page = self.manager.clients(cursor(list.next).as_ref(), LIST_MAX);
            looked_at += page.items.len();
            for client in &page.items {
                if !is_meant(filter, client) {
                    continue;
                }
                list.items.push(client_entry(client));
                if list.items.len() == limit {
                    let is_last = page.next.is_none()
                        && page.items.last().map(|last| last.key) == Some(client.key);
                    list.next = (!is_last).then_some(client.key.0);
                    return list;
                }
            }
            list.next = page.next.as_ref().and_then(place);
            if list.next.is_none() || looked_at >= LOOKED_AT_MAX {
                return list;
            }
        }
    }

    fn kick(&self, client_id: &str) -> Result<Value, Fault> {
        match self.manager.kick(client_id) {
            true => {
                tracing::info!(client_id, "connection ended by an administrator");
                Ok(Value::Null)
            }
            false => Err(Fault::not_found(format_args!(
                "no client `{client_id}` is connected"
            ))),
        }
    }
}

fn no_session(client_id: &str) -> Fault {
    Fault::not_found(format_args!("there is no session of `{client_id}`"))
}

pub(crate) fn written(answer: &impl Serialize) -> Result<Value, Fault> {
    serde_json::to_value(answer).map_err(Fault::failed)
}

fn cursor(after: Option<u64>) -> Option<Cursor> {
    after.map(|key| Cursor::Session(mqtt_broker::SessionKey(key)))
}

fn place(next: &Cursor) -> Option<u64> {
    match next {
        Cursor::Session(key) => Some(key.0),
        _ => None,
    }
}

fn is_meant(filter: &ClientFilter, client: &ClientView) -> bool {
    let by_id = filter.client_id.as_deref();
    let by_user = filter.username.as_deref();
    let username = client
        .client
        .as_ref()
        .and_then(|info| info.username.as_deref());
    by_id.is_none_or(|part| client.client_id.contains(part))
        && by_user.is_none_or(|wanted| username == Some(wanted))
        && filter
            .connected
            .is_none_or(|wanted| client.is_connected == wanted)
}

fn client_entry(client: &ClientView) -> ClientEntry {
    let info = client.client.as_deref();
    ClientEntry {
        client_id: client.client_id.to_string(),
        connected: client.is_connected,
        username: info.and_then(|info| info.username.as_deref().map(str::to_owned)),
        peer: info.map(|info| info.peer.to_string()),
        listener: info.map(|info| info.listener.to_string()),
        version: info.map(|info| version_name(info.version.level()).to_owned()),
        connected_at_s: unix_s(client.connected_at),
        disconnected_at_s: client.disconnected_at.map(unix_s),
        keep_alive_s: client.keep_alive_s,
        session_expiry_interval_s: client.session_expiry_interval_s,
        subscriptions: client.subscriptions,
        queued: client.queued,
        in_flight: client.in_flight,
        dropped: client.dropped,
        outbox_bytes: client.outbox_bytes,
    }
}

fn subscription_entry(subscription: &SubscriptionView) -> SubscriptionEntry {
    SubscriptionEntry {
        client_id: subscription.client_id.to_string(),
        topic_filter: subscription.topic_filter.to_string(),
        qos: subscription.options.qos.get(),
        no_local: subscription.options.no_local,
        retain_as_published: subscription.options.retain_as_published,
    }
}

/// How people write a version, of which the protocol has a number.
const fn version_name(level: u8) -> &'static str {
    match level {
        3 => "3.1",
        4 => "3.1.1",
        _ => "5.0",
    }
}

fn reload_entry(report: &ReloadReport) -> ReloadEntry {
    let entries = |changes: &[Change]| changes.iter().map(change_entry).collect();
    ReloadEntry {
        live: entries(&report.live),
        needs_restart: entries(&report.needs_restart),
        failed: report.failed.clone(),
        listener_closed: report.listener_closed,
        clients_disconnected: report.rechecked.clients_disconnected,
        subscriptions_removed: report.rechecked.subscriptions_removed,
        forecast: None,
    }
}

impl ReloadEntry {
    /// The same for changes between two files.
    pub fn of_changes(changes: &[Change]) -> Self {
        let (restart, live): (Vec<_>, Vec<_>) = changes
            .iter()
            .partition(|change| change.effect == Effect::Restart);
        let entries = |changes: Vec<&Change>| changes.into_iter().map(change_entry).collect();
        Self {
            live: entries(live),
            needs_restart: entries(restart),
            failed: Vec::new(),
            listener_closed: 0,
            clients_disconnected: 0,
            subscriptions_removed: 0,
            forecast: None,
        }
    }
}

fn forecast_entry(forecast: &Forecast) -> ForecastEntry {
    ForecastEntry {
        sessions: forecast.sessions,
        unknown: forecast.unknown,
        clients: forecast.clients.iter().map(loser_entry).collect(),
        more: forecast.more,
        away: forecast.away,
        cut_short: forecast.is_cut_short,
    }
}

fn loser_entry(loser: &Loser) -> LoserEntry {
    let losses = loser.losses.iter().map(|loss| LossEntry {
        what: loss.label().to_owned(),
        topic: loss.topic().map(str::to_owned),
        why: loss.to_string(),
    });
    LoserEntry {
        client_id: loser.client_id.to_string(),
        username: loser.username.as_deref().map(str::to_owned),
        peer: loser.peer.to_string(),
        listener: loser.listener.to_string(),
        disconnected: loser.is_disconnected,
        losses: losses.collect(),
        more: loser.more,
    }
}

fn change_entry(change: &Change) -> ChangeEntry {
    ChangeEntry {
        key: change.key.clone(),
        old: change.old.clone(),
        new: change.new.clone(),
        effect: change.effect.words().to_owned(),
    }
}

pub(crate) fn unix_s(at: SystemTime) -> u64 {
    at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
