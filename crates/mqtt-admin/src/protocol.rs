//! The requests and what answers them, as JSON writes them.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use zeroize::Zeroize;

/// The most entries of a list in one answer; more are given as if so many had been asked for.
pub const LIST_MAX: usize = 1_000;

/// What is asked of a broker; `{"do": "kick", "client_id": "c"}` for example.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Request {
    /// What runs; answered by [`Status`].
    Status,
    /// Sessions with their clients; answered by a [`List`] of [`ClientEntry`].
    Clients {
        /// Which.
        #[serde(default)]
        filter: ClientFilter,
        /// Where to begin: `next` of the answer before.
        #[serde(default)]
        after: Option<u64>,
        /// How many at most, 1 to [`LIST_MAX`].
        #[serde(default = "list_max")]
        limit: usize,
    },
    /// One client; answered by [`ClientEntry`].
    Client {
        /// Its Client Identifier.
        client_id: String,
    },
    /// Ends the connection of a client.
    Kick {
        /// Its Client Identifier.
        client_id: String,
    },
    /// Subscriptions; answered by a [`List`] of [`SubscriptionEntry`].
    Subscriptions {
        /// Of this client alone.
        #[serde(default)]
        client_id: Option<String>,
        /// Where to begin: `next` of the answer before.
        #[serde(default)]
        after: Option<u64>,
        /// Of how many sessions at most, 1 to [`LIST_MAX`].
        #[serde(default = "list_max")]
        limit: usize,
    },
    /// What was counted; answered by [`Counters`].
    Counters,
    /// The same for Prometheus; answered by a text.
    Metrics,
    /// Reads the configuration again and takes it over; answered by [`ReloadEntry`].
    Reload,
    /// What that would do with another configuration; answered by [`ReloadEntry`].
    Plan {
        /// What the text is called in messages.
        origin: String,
        /// The configuration: TOML.
        text: String,
    },
    /// The bans in force; answered by a [`List`] of [`BanEntry`].
    Bans,
    /// Lets somebody in no more, and ends the connections it has; answered by their number.
    Ban {
        /// Whom.
        who: BannedEntry,
        /// Why, for people.
        #[serde(default)]
        reason: String,
        /// For how long, in seconds; without it for ever.
        #[serde(default)]
        seconds: Option<u64>,
    },
    /// Takes a ban away.
    Unban {
        /// Whose.
        who: BannedEntry,
    },
    /// The last requests that were refused on the ground of rights, oldest first; answered by a [`List`] of
    /// [`RefusalEntry`], whose `next` is never set.
    Refusals {
        /// Of this client alone.
        #[serde(default)]
        client_id: Option<String>,
        /// How many at most, 1 to [`LIST_MAX`]: the last of them.
        #[serde(default = "list_max")]
        limit: usize,
    },
    /// What a client was refused that was told this reference; answered by [`RefusalEntry`].
    Refusal {
        /// Six hexadecimal digits.
        reference: String,
    },
    /// The users of the built-in database; answered by a [`List`] of [`UserEntry`], whose `next` is never set.
    Users {
        /// Those behind this name.
        #[serde(default)]
        after: Option<String>,
    },
    /// Adds a user to the built-in database.
    AddUser {
        /// Its name.
        username: String,
        /// Its password.
        password: Secret,
        /// Whether it may do everything.
        #[serde(default)]
        superuser: bool,
    },
    /// Gives a user of the built-in database another password.
    SetPassword {
        /// Its name.
        username: String,
        /// The new password.
        password: Secret,
    },
    /// Takes a user out of the built-in database; its clients are disconnected.
    DeleteUser {
        /// Its name.
        username: String,
    },
    /// How much is logged; answered by a text.
    LogLevel,
    /// Logs so much from now on.
    SetLogLevel {
        /// The name of a level, or a filter.
        level: String,
    },
}

/// Why a request was not done.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, thiserror::Error)]
#[error("{message}")]
pub struct Fault {
    /// Whose fault it is.
    pub kind: FaultKind,
    /// One line for people.
    pub message: String,
}

/// Kinds of [`Fault`].
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FaultKind {
    /// The request is none, or has a value that cannot be.
    Invalid,
    /// What it is about is not there.
    NotFound,
    /// It could not be done.
    Failed,
    /// Others keep the channel busy; try again.
    Busy,
}

impl Fault {
    /// The request is none, or has a value that cannot be.
    pub fn invalid(message: impl ToString) -> Self {
        Self::new(FaultKind::Invalid, message)
    }

    /// What the request is about is not there.
    pub fn not_found(message: impl ToString) -> Self {
        Self::new(FaultKind::NotFound, message)
    }

    /// It could not be done.
    pub fn failed(message: impl ToString) -> Self {
        Self::new(FaultKind::Failed, message)
    }

    pub(crate) fn new(kind: FaultKind, message: impl ToString) -> Self {
        Self {
            kind,
            message: message.to_string(),
        }
    }
}

/// One line of the answer: `{"ok": ..}` or `{"error": {"kind": .., "message": ..}}`.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    /// It was done.
    Ok(serde_json::Value),
    /// It was not.
    Error(Fault),
}

/// A part of a list.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct List<T> {
    /// Its entries.
    pub items: Vec<T>,
    /// Where the next part begins; none after the last one.
    pub next: Option<u64>,
}

/// Which sessions are meant; by default all.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientFilter {
    /// Those whose Client Identifier has this in it.
    pub client_id: Option<String>,
    /// Those of this user.
    pub username: Option<String>,
    /// Those that are connected, or those that are not.
    pub connected: Option<bool>,
}

/// What runs.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Status {
    /// `node.name` of its configuration.
    pub node: String,
    /// The broker's version.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// How long it has run, in seconds.
    pub uptime_s: u64,
    /// Network Connections now.
    pub connections: usize,
    /// Sessions now, connected or not.
    pub sessions: usize,
    /// Subscriptions now.
    pub subscriptions: usize,
    /// Retained messages now.
    pub retained: usize,
}

/// A session with its client.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ClientEntry {
    /// Whose session it is.
    pub client_id: String,
    /// Whether there is a connection.
    pub connected: bool,
    /// As whom the client is, or was, connected.
    pub username: Option<String>,
    /// From where; none for a session nobody has connected to since the broker was started.
    pub peer: Option<String>,
    /// Through which listener.
    pub listener: Option<String>,
    /// The version of the protocol it speaks: `3.1`, `3.1.1` or `5.0`.
    pub version: Option<String>,
    /// When the last connection was accepted, in seconds of Unix time.
    pub connected_at_s: u64,
    /// When the last connection was lost, in seconds of Unix time; none while there is one.
    pub disconnected_at_s: Option<u64>,
    /// The Keep Alive in force, in seconds; 0 is off.
    pub keep_alive_s: u16,
    /// The Session Expiry Interval in force, in seconds; 0 ends with the connection, 4294967295 stays.
    pub session_expiry_interval_s: u32,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Messages that wait.
    pub queued: usize,
    /// QoS 1 and 2 messages sent and not yet acknowledged.
    pub in_flight: usize,
    /// Messages dropped since its session began.
    pub dropped: u64,
    /// Bytes that wait to be written.
    pub outbox_bytes: usize,
}

/// A subscription with its subscriber.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct SubscriptionEntry {
    /// The subscriber.
    pub client_id: String,
    /// The filter, with `$share/NAME/` where it is shared.
    pub topic_filter: String,
    /// The highest QoS messages are sent at, 0 to 2.
    pub qos: u8,
    /// Whether its own messages are not sent to it.
    pub no_local: bool,
    /// Whether messages keep their RETAIN flag.
    pub retain_as_published: bool,
}

/// What was counted since the broker was started, and what it holds now, by name.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct Counters(pub BTreeMap<String, u64>);

/// Something that is not shown.
#[derive(Clone, Deserialize, Eq, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// Whom a ban is about; `{"client_id": "c"}` for example.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BannedEntry {
    /// The client with this Client Identifier.
    ClientId(String),
    /// Every client of this user.
    Username(String),
    /// Everybody at this address, or at an address of this network, such as `10.0.0.0/8`.
    Address(String),
}

/// A ban.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct BanEntry {
    /// Whom it is about.
    pub who: BannedEntry,
    /// Why, for people.
    pub reason: String,
    /// Since when, in seconds of Unix time.
    pub at_s: u64,
    /// Until when, in seconds of Unix time; none for ever.
    pub until_s: Option<u64>,
    /// Whether the broker made it by itself.
    pub automatic: bool,
}

/// A request that was refused, once or again and again.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct RefusalEntry {
    /// What the client was told, if it may be told anything: six hexadecimal digits.
    pub reference: String,
    /// Who asked.
    pub client_id: String,
    /// The User Name it had.
    pub username: Option<String>,
    /// Where it came from, the last time.
    pub peer: String,
    /// What it wanted: `publish` or `subscribe`.
    pub action: String,
    /// The Reason Code it was refused with.
    pub reason: u8,
    /// To which Topic Name or Topic Filter, as it wrote it.
    pub topic: String,
    /// What decided; with names of files and rules.
    pub ground: String,
    /// How often.
    pub times: u64,
    /// When, the last time, in seconds of Unix time.
    pub at_s: u64,
}

/// A user of the built-in database.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct UserEntry {
    /// Its name.
    pub username: String,
    /// Whether it may do everything.
    pub superuser: bool,
}

/// What another configuration changes.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ReloadEntry {
    /// What has effect without a restart.
    pub live: Vec<ChangeEntry>,
    /// What does not.
    pub needs_restart: Vec<ChangeEntry>,
    /// Where it cannot be listened, and why: a new listener is left out, one that was there stays where it was.
    pub failed: Vec<String>,
    /// Clients that were disconnected because their listener is not in the configuration any more.
    #[serde(default)]
    pub listener_closed: u64,
    /// Clients that were disconnected because they lost a right.
    pub clients_disconnected: u64,
    /// Subscriptions that were removed because their clients lost the right to them.
    pub subscriptions_removed: u64,
    /// Who would lose what by it; there is one in the answer to a plan alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forecast: Option<ForecastEntry>,
}

/// Who would lose what by another configuration.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub struct ForecastEntry {
    /// Sessions that were looked at.
    pub sessions: u64,
    /// Of these, sessions whose client is not known, as it has not connected since the broker was started.
    pub unknown: u64,
    /// Clients that are connected and would lose something, up to 250.
    pub clients: Vec<LoserEntry>,
    /// How many more there are.
    pub more: u64,
    /// Sessions whose client is away and would lose something.
    pub away: u64,
    /// Whether there was no time to look at all sessions.
    pub cut_short: bool,
}

/// A client that would lose something.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LoserEntry {
    /// Its Client Identifier.
    pub client_id: String,
    /// As whom it is connected.
    pub username: Option<String>,
    /// From where.
    pub peer: String,
    /// Through which listener.
    pub listener: String,
    /// Whether its connection would be ended.
    pub disconnected: bool,
    /// What it would lose, up to 16.
    pub losses: Vec<LossEntry>,
    /// How many more there are.
    pub more: u64,
}

/// What a client would lose.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct LossEntry {
    /// `user`, `subscription`, `will`, or `address` and `listener` for the way back.
    pub what: String,
    /// The Topic Filter or Topic Name it is about, if it is about one.
    pub topic: Option<String>,
    /// Why, for people.
    pub why: String,
}

/// A key of the configuration whose value differs; the value of a secret is not shown.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct ChangeEntry {
    /// Its whole path, with dots.
    pub key: String,
    /// Its value before; none where the key is new.
    pub old: Option<String>,
    /// Its value after; none where the key is gone.
    pub new: Option<String>,
    /// What it takes to have effect: `at once`, `new connections` or `restart`.
    pub effect: String,
}

const fn list_max() -> usize {
    LIST_MAX
}
