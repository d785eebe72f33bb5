//! Every bound of the client and its default.

use std::time::Duration;

/// Keep Alive when none is chosen.
pub const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long connecting may take in all, name lookup and fallback included, when nothing else is chosen.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the answer to PINGREQ may take when nothing else is chosen.
pub const PING_TIMEOUT: Duration = Duration::from_secs(10);
/// How long [`Client::disconnect`](crate::Client::disconnect) waits for acknowledgements when nothing else is chosen.
pub const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the last bytes and the server's end of the stream are waited for.
pub const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long a response may take when nothing else is chosen.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Messages of QoS 1 and 2 received and not taken by the application, over all subscriptions, when no other
/// Receive Maximum is chosen. Unit: messages.
pub const RECEIVE_MAXIMUM: u16 = 1024;
/// The longest packet accepted when nothing else is chosen. Unit: bytes.
pub const PACKET_LEN_MAX: u32 = 1024 * 1024;
/// Topic Aliases a server may set. Unit: aliases.
pub const TOPIC_ALIAS_MAXIMUM: u16 = 16;
/// Messages waiting to be sent at QoS 0, and again as many waiting or unacknowledged at QoS 1 and 2, when nothing
/// else is chosen; a publish above that waits. Unit: messages.
pub const PUBLISH_CAPACITY: usize = 1024;
/// The most [`ClientBuilder::publish_capacity`](crate::ClientBuilder::publish_capacity) takes, so that Packet
/// Identifiers are left for requests. Unit: messages.
pub const PUBLISH_CAPACITY_MAX: usize = 60_000;
/// Bytes of topic names and payloads waiting to be sent or acknowledged when nothing else is chosen; a publish above
/// that waits. Unit: bytes.
pub const PUBLISH_BYTES: usize = 64 * 1024 * 1024;
/// The longest payload a [`Store`](crate::Store) keeps when nothing else is chosen. Unit: bytes.
#[cfg(feature = "store")]
pub const STORE_MESSAGE_LEN: usize = 1024 * 1024;
/// What the files of a [`Store`](crate::Store) may take together when nothing else is chosen. Unit: bytes.
#[cfg(feature = "store")]
pub const STORE_BYTES: u64 = 256 * 1024 * 1024;
/// How long a server is asked to keep the session of a client with a [`Store`](crate::Store) when nothing else is
/// chosen.
#[cfg(feature = "store")]
pub const STORE_SESSION_EXPIRY: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long it takes until a change that found no room in a [`Store`](crate::Store) is tried again.
pub(crate) const STORE_RETRY: Duration = Duration::from_millis(100);
/// Events held for each [`Events`](crate::Events); the oldest makes room. Unit: events.
pub const EVENT_CAPACITY: usize = 256;
/// How long a connection must have lasted for delays to begin at the shortest again.
pub const STABLE_AFTER: Duration = Duration::from_secs(5);
/// How long a CONNECT that was given up without an answer may still reach the server, which takes it for another client.
pub const LATE_CONNECT: Duration = Duration::from_secs(60);
/// Topic Filters in one SUBSCRIBE when a lost session is subscribed anew. Unit: filters.
pub const RESUBSCRIBE_FILTERS: usize = 64;
/// How long everything may wait behind one message that is not acknowledged before something is done, when nothing
/// else is chosen.
pub const STALL_TIMEOUT: Duration = Duration::from_secs(5);
/// SUBSCRIBE and UNSUBSCRIBE packets waiting or unanswered; a request above that waits. Unit: packets.
pub const REQUEST_CAPACITY: usize = 64;
/// Messages of QoS 0 a subscription holds when nothing else is chosen; the oldest makes room. Unit: messages.
pub const SUBSCRIPTION_CAPACITY: usize = 1024;
/// Messages of QoS 0 held for a subscription still to come; the oldest makes room. Unit: messages.
pub const UNCLAIMED_CAPACITY: usize = 1024;
/// Topic Filters no longer subscribed whose last messages are still recognised. Unit: filters.
pub const RETIRED_FILTERS: usize = 1024;
/// Subscription Identifiers of one Topic Filter that are told apart; with an older one its messages go by their
/// Topic Name. Unit: identifiers.
pub const FILTER_IDS: usize = 16;
/// Subscription Identifiers no longer told apart whose last messages are still taken. Unit: identifiers.
pub const LOOSE_IDS: usize = 1024;
/// Bytes waiting for the socket at which nothing more is taken from the application. Unit: bytes.
pub const WRITE_QUEUE_LEN: usize = 256 * 1024;
/// Bytes waiting for the socket at which nothing more is read either, since reading makes answers. Unit: bytes.
pub const WRITE_QUEUE_LEN_MAX: usize = 1024 * 1024;
