//! Looking into a running broker and changing what is in it: clients, sessions, subscriptions, retained messages.
//!
//! Lists come in pages, and no lock is held for longer than a page takes.

mod bans;
mod closing;
mod forecast;
mod page;
mod publish;
mod recheck;
mod views;

pub use crate::core::bans::{BANS_MAX, Ban, Banned, BansFull};
pub use bans::BanError;
pub(crate) use bans::load as load_bans;
pub use forecast::{FORECAST_CLIENTS_MAX, FORECAST_LOSSES_MAX, Forecast, Loser, Loss};
pub use page::{Cursor, PAGE_MAX, Page};
pub use publish::{NotPublished, Post, Published};
pub use recheck::Rechecked;
pub use views::{BrokerInfo, ClientView, RetainedView, Sizes, SubscriptionView};

use crate::LogPosition;
use crate::core::cause::{EndCause, SessionEnd};
use crate::core::counters::Totals;
use crate::core::refusals::{Reference, RefusalView};
use crate::core::session_cell::SessionCell;
use crate::core::{Batch, Core, Wanted};
use crate::events::EventSource;
use crate::net::Clock;
use crate::reload::{ReloadError, ReloadReport, Reloader};
use mqtt_codec::{ReasonCode, SubscriptionOptions, TopicFilter, TopicName};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

/// Places of the retained store looked at under one lock.
const SCAN_MAX: usize = 4096;

/// A handle on a running broker; cheap to clone, and of no effect once the broker is gone.
#[derive(Clone)]
pub struct Manager {
    core: Arc<Core>,
    clock: Clock,
    info: Arc<BrokerInfo>,
    reloader: Arc<Reloader>,
    events: Arc<EventSource>,
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}

impl Manager {
    pub(crate) fn new(reloader: Reloader, events: Arc<EventSource>) -> Self {
        let door = &reloader.door;
        let info = Arc::new(BrokerInfo {
            node: reloader.node().into(),
            version: env!("CARGO_PKG_VERSION"),
            started: SystemTime::now(),
        });
        Self {
            core: Arc::clone(&door.core),
            clock: door.clock,
            info,
            reloader: Arc::new(reloader),
            events,
        }
    }

    /// What runs here.
    pub fn info(&self) -> &BrokerInfo {
        &self.info
    }

    /// What the broker has counted since its start.
    pub fn totals(&self) -> Totals {
        Totals {
            events_missed: self.events.missed(),
            ..self.core.totals()
        }
    }

    /// How much the broker holds now.
    pub fn sizes(&self) -> Sizes {
        Sizes {
            connections: self.reloader.door.connections.load(Ordering::Acquire),
            sessions: self.core.session_count(),
            subscriptions: self.core.router.len(),
            retained: self.core.retained.len(),
            log: self.core.log.stats(),
            queued_in_log: self.core.stored_count(),
        }
    }

    /// Takes another configuration over, as far as that goes without a restart: what each key takes is
    /// [`Effect::of_key`](crate::config::Effect::of_key). `log.*` is for the program that writes the log. Files of users and
    /// rules are read again, and who has lost a right by it is dealt with as [`recheck`](Self::recheck) does. Listeners
    /// come, go and move; connections of one that is gone are ended with 0x98.
    ///
    /// # Errors
    /// [`ReloadError`]: the configuration is refused, and everything stays as it is.
    pub async fn reload(&self, config: crate::Config) -> Result<ReloadReport, ReloadError> {
        let (mut report, gone) = self.reloader.reload(config).await?;
        for listener in gone {
            report.listener_closed += self.close_listener(listener).await;
        }
        report.rechecked = self.recheck().await;
        Ok(report)
    }

    /// The users of the built-in database; none where the embedding program answers for itself.
    pub fn users(&self) -> Option<&crate::UserStore> {
        self.reloader.users()
    }

    /// What became of clients that said who they are; none where the embedding program answers for itself.
    pub fn authentication(&self) -> Option<crate::AuthenticationCounts> {
        self.reloader.authentication()
    }

    /// The listeners, with what they have counted.
    pub fn listeners(&self) -> Vec<crate::ListenerState> {
        self.reloader.listeners()
    }

    /// The certificates the listeners show, with the time they are good until.
    pub fn certificates(&self) -> Vec<crate::CertificateState> {
        self.reloader.certificates()
    }

    /// What [`reload`](Self::reload) would do with a configuration; does nothing. Who would lose what by it says
    /// [`forecast`](Self::forecast).
    ///
    /// # Errors
    /// [`ReloadError`]: the configuration would be refused.
    pub fn plan(&self, config: &crate::Config) -> Result<ReloadReport, ReloadError> {
        self.reloader.plan(config)
    }

    /// Every session with its client, connected or not, oldest session first.
    pub fn clients(&self, after: Option<&Cursor>, len: usize) -> Page<ClientView> {
        let now_ms = self.clock.now_ms();
        let cells = self.core.sessions_after(key_of(after), page_len(len));
        let next = cells.last().map(|cell| Cursor::Session(cell.key));
        Page {
            next: next.filter(|_| cells.len() == page_len(len)),
            items: cells
                .iter()
                .map(|cell| ClientView::of(cell, now_ms))
                .collect(),
        }
    }

    /// The session of one client.
    pub fn client(&self, client_id: &str) -> Option<ClientView> {
        let cell = self.core.session(client_id)?;
        Some(ClientView::of(&cell, self.clock.now_ms()))
    }

    /// The subscriptions of one client; none when it has no session.
    pub fn subscriptions_of(&self, client_id: &str) -> Option<Vec<SubscriptionView>> {
        let cell = self.core.session(client_id)?;
        Some(SubscriptionView::all_of(&cell))
    }

    /// The subscriptions of all clients, by session; a page has those of up to `sessions` sessions.
    pub fn subscriptions(&self, after: Option<&Cursor>, sessions: usize) -> Page<SubscriptionView> {
        let cells = self.core.sessions_after(key_of(after), page_len(sessions));
        let next = cells.last().map(|cell| Cursor::Session(cell.key));
        Page {
            next: next.filter(|_| cells.len() == page_len(sessions)),
            items: cells.iter().flat_map(SubscriptionView::all_of).collect(),
        }
    }

    /// Retained messages whose topics match, in no particular order.
    ///
    /// A store that changes while its pages are read may show a message twice or not at all.
    pub fn retained(
        &self,
        topic_filter: TopicFilter<'_>,
        after: Option<&Cursor>,
        len: usize,
    ) -> Page<RetainedView> {
        let now_ms = self.clock.now_ms();
        let mut place = match after {
            Some(Cursor::Place(place)) => Some(*place),
            _ => Some(0),
        };
        let mut items = Vec::new();
        while let Some(from) = place {
            place = self.core.retained.scan(from, SCAN_MAX, &mut |message| {
                let name = TopicName::try_new(message.topic_name());
                if name.is_ok_and(|name| topic_filter.matches(name)) && !message.is_expired(now_ms)
                {
                    items.push(RetainedView::of(message, now_ms));
                }
            });
            if items.len() >= page_len(len) {
                break;
            }
        }
        Page {
            next: place.map(Cursor::Place),
            items,
        }
    }

    /// The retained message of one topic.
    pub fn retained_of(&self, topic_name: &str) -> Option<RetainedView> {
        let now_ms = self.clock.now_ms();
        let message = self.core.retained.find(topic_name)?;
        (!message.is_expired(now_ms)).then(|| RetainedView::of(&message, now_ms))
    }

    /// Forgets the retained message of one topic; `false` when it had none.
    pub fn delete_retained(&self, topic_name: &str) -> bool {
        self.core.forget_retained(topic_name)
    }

    /// Ends the connection of one client with DISCONNECT 0x98; `false` when it has none.
    pub fn kick(&self, client_id: &str) -> bool {
        self.act(|core, batch, _| core.kick(client_id, batch))
    }

    /// Ends the connection of a client whose proof of who it is has expired, if it is still that one.
    pub(crate) fn end_expired(&self, client_id: &str, now_s: u64) -> bool {
        self.act(|core, batch, _| {
            let Some(cell) = core.session(client_id) else {
                return false;
            };
            let client = cell.state.lock().client.clone();
            let expires_at_s = client.and_then(|client| client.expires_at_s());
            let is_over = expires_at_s.is_some_and(|at_s| at_s <= now_s);
            if is_over {
                let cause = EndCause::AuthenticationFailed(ReasonCode::NOT_AUTHORIZED);
                core.end_connection(&cell, cause, batch);
            }
            is_over
        })
    }

    /// Ends the session of one client, and its connection if it has one; `false` when it has no session.
    pub fn end_session(&self, client_id: &str) -> bool {
        self.act(|core, batch, now_ms| {
            let Some(cell) = core.session(client_id) else {
                return false;
            };
            core.end_connection(&cell, EndCause::Administrative, batch);
            core.end_session(&cell, SessionEnd::Administrative, batch, now_ms);
            true
        })
    }

    /// Another broker owns the session from now on: ends the connection with 0x8E and forgets the session here.
    ///
    /// `false` when there is none. See [`crate::Ownership`].
    pub fn give_up(&self, client_id: &str) -> bool {
        self.act(|core, batch, now_ms| {
            let Some(cell) = core.session(client_id) else {
                return false;
            };
            core.end_connection(&cell, EndCause::SessionTakenOver, batch);
            core.move_session(&cell, batch, now_ms);
            true
        })
    }

    /// Subscribes a client that has a session, without asking it or [`crate::Access`].
    ///
    /// # Errors
    /// None when there is no such session, else the Reason Code its SUBACK would have had.
    pub fn subscribe(
        &self,
        client_id: &str,
        topic_filter: &str,
        options: SubscriptionOptions,
    ) -> Result<(), Option<ReasonCode>> {
        self.act(|core, batch, now_ms| {
            let cell = core.session(client_id).ok_or(None)?;
            let wanted = Wanted {
                subscribed: core.subscribed(topic_filter).map_err(Some)?,
                options,
                subscription_id: None,
            };
            let made = core.subscribe(&cell, &wanted).map_err(Some)?;
            let now = LogPosition::NONE;
            let mut left = core.follow_up(&cell, &wanted, made, now, batch, now_ms);
            while let Some(asked) = &mut left
                && core.send_more_retained(&cell, asked, batch, now_ms)
            {}
            Ok(())
        })
    }

    /// Ends a subscription of a client; `false` when it has none such.
    pub fn unsubscribe(&self, client_id: &str, topic_filter: &str) -> bool {
        self.act(|core, _, _| {
            let cell = core.session(client_id);
            let subscribed = core.subscribed(topic_filter).ok();
            match (cell, subscribed) {
                (Some(cell), Some(subscribed)) => {
                    core.unsubscribe(&cell, &subscribed.topic_filter).0
                }
                _ => false,
            }
        })
    }

    /// The last requests that were refused on the ground of rights, up to 1,024, oldest first.
    pub fn refusals(&self) -> Vec<RefusalView> {
        self.core.refusals.views()
    }

    /// What a client was refused that was told this reference; none when it was too long ago.
    pub fn refusal(&self, reference: Reference) -> Option<RefusalView> {
        self.core.refusals.find(reference)
    }

    /// Messages published to `$delayed` that wait for their time.
    pub fn delayed_count(&self) -> usize {
        self.core.extensions.delayed.len()
    }

    /// Does something with the core and what it leaves to be done.
    fn act<T>(&self, action: impl FnOnce(&Core, &mut Batch, u64) -> T) -> T {
        let (mut batch, now_ms) = (Batch::new(), self.clock.now_ms());
        self.core.begin(&mut batch);
        let outcome = action(&self.core, &mut batch, now_ms);
        self.core.finish(&mut batch, now_ms);
        outcome
    }
}

fn key_of(after: Option<&Cursor>) -> crate::core::session_cell::SessionKey {
    match after {
        Some(Cursor::Session(key)) => *key,
        _ => crate::core::session_cell::SessionKey(0),
    }
}

fn page_len(len: usize) -> usize {
    len.clamp(1, PAGE_MAX)
}

impl ClientView {
    fn of(cell: &Arc<SessionCell>, now_ms: u64) -> Self {
        views::client(cell, now_ms)
    }
}
