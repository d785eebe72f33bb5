//! The retained messages of a broker, and where they end.

use std::collections::HashMap;
use std::time::Duration;

use mqtt_client::{Client, ClosedError, Message, QoS, SubscribeError, Subscription};
use tokio::time::{Instant, sleep_until};

use crate::marker::Marker;

/// Messages that wait for whoever takes them.
const WAITING_MAX: usize = 65_536;

/// Markers that come back with nothing in front of them before the end is believed.
const EMPTY_ROUNDS: u64 = 1;

/// Topics that are asked for at a time with their QoS: fewer than what any broker queues for a client.
const BATCH_LEN: usize = 250;

/// How retained messages are asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RetainedSettings {
    /// The QoS of the subscription. At 0, the default, brokers send all there are; above it some
    /// give up what their queue for one client does not hold. A message comes with the lower of
    /// this and the QoS it was published with.
    pub qos: QoS,
    /// How long nothing may have come, behind the marker, before the end is believed. Default 200 ms.
    pub quiet: Duration,
    /// The same where no marker comes back, because the server does not let us publish. Default 3 s.
    pub patience: Duration,
}

impl Default for RetainedSettings {
    fn default() -> Self {
        Self {
            qos: QoS::AtMostOnce,
            quiet: Duration::from_millis(200),
            patience: Duration::from_secs(3),
        }
    }
}

/// By what the end was known.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum End {
    /// A marker came back, and nothing between it and the one before.
    Marker,
    /// Nothing came for [`RetainedSettings::patience`].
    Silence,
}

/// Why there are no retained messages to be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RetainedError {
    /// The server does not let us subscribe.
    #[error("cannot subscribe: {0}")]
    Subscribe(#[from] SubscribeError),
    /// The connection ended before the last message.
    #[error(transparent)]
    Closed(#[from] ClosedError),
    /// Messages came faster than they were taken.
    #[error("{count} messages were dropped, they were taken too slowly")]
    Dropped {
        /// How many.
        count: u64,
    },
}

/// The retained messages under some filters, one after the other, with an end.
///
/// Nothing in MQTT says which retained message is the last. Behind the SUBACK a marker is sent: a
/// message to a topic of its own, which this client is subscribed to as well. Most brokers hand it
/// on behind the retained messages. Others look those up beside, so the end is believed only when a
/// second marker comes back without a retained message between the two, and nothing came for
/// [`RetainedSettings::quiet`] behind it. Where a marker may not be published, silence alone tells.
#[derive(Debug)]
pub struct Retained {
    client: Client,
    subscription: Subscription,
    marker: Marker,
    settings: RetainedSettings,
    /// Messages since the last marker came back.
    since_marker: u64,
    /// When the last message or marker came.
    last: Instant,
    /// Whether the last marker is back, with nothing in front of it.
    is_behind: bool,
    end: Option<End>,
}

impl Retained {
    /// Subscribes to `topic_filters`.
    ///
    /// # Errors
    /// The server does not let us, or the connection ends.
    pub async fn subscribe<F: Into<String>>(
        client: &Client,
        topic_filters: impl IntoIterator<Item = F>,
        settings: RetainedSettings,
    ) -> Result<Self, RetainedError> {
        let mut marker = Marker::new(client, settings.qos).await;
        let subscription = client
            .subscribe_many(topic_filters)
            .qos(settings.qos)
            .capacity(WAITING_MAX)
            .await?;
        if marker.works() {
            marker.send(client).await;
        }
        Ok(Self {
            client: client.clone(),
            subscription,
            marker,
            settings,
            since_marker: 0,
            last: Instant::now(),
            is_behind: false,
            end: None,
        })
    }

    /// The next retained message; none behind the last.
    ///
    /// Cancel safety: a dropped call takes no message.
    ///
    /// # Errors
    /// The connection ended, or messages were dropped.
    pub async fn next(&mut self) -> Result<Option<Message>, RetainedError> {
        while self.end.is_none() {
            let silence = match self.is_behind {
                true => self.settings.quiet,
                false => self.settings.patience,
            };
            let deadline = self.last + silence;
            tokio::select! {
                // What came before a marker is taken before it.
                biased;
                message = self.subscription.next() => {
                    let Some(message) = message else {
                        let reason = self.client.closed().await;
                        return Err(ClosedError { reason }.into());
                    };
                    // What somebody publishes meanwhile is not what was retained.
                    if message.retain() && !self.marker.is(message.topic_name()) {
                        self.last = Instant::now();
                        self.since_marker += 1;
                        return Ok(Some(message));
                    }
                }
                is_back = self.marker.back(), if !self.is_behind => {
                    if is_back {
                        self.last = Instant::now();
                        self.turn().await;
                    }
                }
                () = sleep_until(deadline) => {
                    self.end = Some(match self.is_behind {
                        true if self.since_marker == 0 => End::Marker,
                        true => {
                            // A broker that looks them up beside: it is asked again.
                            self.is_behind = false;
                            self.turn().await;
                            continue;
                        }
                        false => End::Silence,
                    });
                }
            }
        }
        match self.subscription.dropped() {
            0 => Ok(None),
            count => Err(RetainedError::Dropped { count }),
        }
    }

    /// By what the end was known; none before it.
    #[must_use]
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    /// A marker is back: the end is near, or the next one is sent.
    async fn turn(&mut self) {
        if self.marker.round() > EMPTY_ROUNDS && self.since_marker == 0 {
            self.is_behind = true;
        } else {
            self.since_marker = 0;
            self.marker.send(&self.client).await;
        }
    }
}

/// The QoS with which each of these topics has its retained message; those that have none are left
/// out. They are asked for a few at a time.
///
/// # Errors
/// The server does not let us, or the connection ends.
pub async fn stored_qos(
    client: &Client,
    topic_names: &[String],
    settings: RetainedSettings,
) -> Result<HashMap<String, QoS>, RetainedError> {
    let settings = RetainedSettings {
        qos: QoS::ExactlyOnce,
        ..settings
    };
    let mut found = HashMap::with_capacity(topic_names.len());
    // A topic that reads as a shared subscription can only be had by a wildcard.
    let mut names = topic_names
        .iter()
        .filter(|topic_name| !topic_name.starts_with("$share/"))
        .peekable();
    while names.peek().is_some() {
        let batch: Vec<&String> = names.by_ref().take(BATCH_LEN).collect();
        let mut retained = Retained::subscribe(client, batch, settings).await?;
        while let Some(message) = retained.next().await? {
            found.insert(message.topic_name().to_owned(), message.qos());
        }
    }
    Ok(found)
}
