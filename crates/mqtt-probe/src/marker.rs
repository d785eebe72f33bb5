//! A message of our own that comes back behind everything the broker had to send before it.

use std::future::pending;
use std::hash::{BuildHasher, Hasher, RandomState};

use mqtt_client::{Client, PublishError, QoS, Receipt, Subscription};

/// Where markers go: nobody else's topic, as its end is chosen anew each time.
const PREFIX: &str = "mqtt/marker/";

/// Sends markers and waits for them, one at a time.
#[derive(Debug)]
pub(crate) struct Marker {
    topic_name: String,
    qos: QoS,
    /// None if the server does not let us.
    subscription: Option<Subscription>,
    receipt: Option<Receipt>,
    /// Markers sent so far.
    round: u64,
}

impl Marker {
    /// A marker that is delivered with `qos`, as what it is to come behind.
    pub(crate) async fn new(client: &Client, qos: QoS) -> Self {
        let topic_name = format!("{PREFIX}{:016x}", random());
        let subscribed = client.subscribe(&topic_name).qos(qos).await;
        Self {
            topic_name,
            qos: client
                .connack()
                .map_or(QoS::AtMostOnce, |connack| connack.grants.maximum_qos)
                .min(QoS::AtLeastOnce),
            subscription: subscribed.ok(),
            receipt: None,
            round: 0,
        }
    }

    /// Whether markers can come back.
    pub(crate) const fn works(&self) -> bool {
        self.subscription.is_some()
    }

    /// Markers sent so far.
    pub(crate) const fn round(&self) -> u64 {
        self.round
    }

    /// Sends the next one.
    pub(crate) async fn send(&mut self, client: &Client) {
        self.round += 1;
        let message = client.publish(&self.topic_name, self.round.to_string());
        match message.qos(self.qos).enqueue().await {
            Ok(receipt) => self.receipt = Some(receipt),
            Err(_) => self.subscription = None,
        }
    }

    /// Waits until the last one is back, or it is known that it never comes; then whether it came.
    ///
    /// Cancel safety: nothing is lost.
    pub(crate) async fn back(&mut self) -> bool {
        loop {
            let Some(subscription) = &mut self.subscription else {
                return pending().await;
            };
            tokio::select! {
                message = subscription.next() => match message {
                    Some(message) if *message.payload() == self.round.to_string() => return true,
                    Some(_) => {}
                    None => return false,
                },
                answer = answered(&mut self.receipt) => if answer.is_err() {
                    self.subscription = None;
                    return false;
                },
            }
        }
    }

    /// Whether a message of another subscription is one of ours.
    pub(crate) fn is(&self, topic_name: &str) -> bool {
        self.topic_name == topic_name
    }
}

/// The answer to the last marker; waits for ever once it was given.
async fn answered(receipt: &mut Option<Receipt>) -> Result<(), PublishError> {
    let Some(waiting) = receipt else {
        return pending().await;
    };
    let answer = waiting.await;
    *receipt = None;
    answer.map(|_| ())
}

/// A number that nobody else has.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
