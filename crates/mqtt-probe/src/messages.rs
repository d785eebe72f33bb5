//! Trials with messages.

use std::time::Duration;

use mqtt_client::{Client, Message, Publish, QoS, Subscription};
use tokio::time::timeout;

use crate::marker::random;

/// Messages of the trial of order.
const IN_ORDER: u32 = 100;

/// Topics of trials begin with it.
const PREFIX: &str = "mqtt/probe/";

/// A client, and a topic of its own.
pub(crate) struct Trial {
    pub(crate) client: Client,
    pub(crate) topic_name: String,
    pub(crate) patience: Duration,
}

impl Trial {
    /// Whether a message of this QoS comes back with it.
    pub(crate) async fn comes_back(&self, qos: QoS) -> Result<String, String> {
        let topic_name = format!("{}/qos", self.topic_name);
        let mut subscription = self.subscribe(&topic_name, qos).await?;
        self.publish(&topic_name, "1", qos).await?;
        let message = self.next(&mut subscription).await?;
        match message.qos() == qos {
            true => Ok(String::new()),
            false => Err(format!("came back with QoS {}", message.qos().get())),
        }
    }

    pub(crate) async fn keeps_order(&self) -> Result<String, String> {
        let topic_name = format!("{}/order", self.topic_name);
        let mut subscription = self.subscribe(&topic_name, QoS::AtLeastOnce).await?;
        let mut receipts = Vec::new();
        for number in 0..IN_ORDER {
            let publish = self.client.publish(&topic_name, number.to_string());
            let receipt = publish.qos(QoS::AtLeastOnce).enqueue().await;
            receipts.push(receipt.map_err(|error| error.to_string())?);
        }
        for number in 0..IN_ORDER {
            let message = self.next(&mut subscription).await?;
            if *message.payload() != number.to_string() {
                let came = String::from_utf8_lossy(message.payload()).into_owned();
                return Err(format!("{came} came in place of {number}"));
            }
        }
        Ok(String::new())
    }

    /// Whether a message is there for who subscribes later; it is cleared.
    pub(crate) async fn retains(&self) -> Result<String, String> {
        let topic_name = format!("{}/retained", self.topic_name);
        self.keep(&topic_name, "1").await?;
        let outcome = async {
            let mut subscription = self.subscribe(&topic_name, QoS::AtLeastOnce).await?;
            let message = self.next(&mut subscription).await?;
            match message.retain() {
                true => Ok(String::new()),
                false => Err("came without its flag".to_owned()),
            }
        };
        let outcome = outcome.await;
        let cleared = self.keep(&topic_name, "").await;
        cleared.map_err(|error| format!("cannot be cleared: {error}"))?;
        outcome
    }

    /// Whether a message to `level` comes by a filter that ends in `wildcard`.
    pub(crate) async fn matches(&self, wildcard: &str, level: &str) -> Result<String, String> {
        let below = format!("{}/wild", self.topic_name);
        let filter = format!("{below}/{wildcard}");
        let mut subscription = self.subscribe(&filter, QoS::AtLeastOnce).await?;
        self.publish(&format!("{below}/{level}"), "1", QoS::AtLeastOnce)
            .await?;
        self.next(&mut subscription).await.map(|_| String::new())
    }

    /// Whether one of two in a group gets a message.
    pub(crate) async fn shares(&self) -> Result<String, String> {
        let topic_name = format!("{}/shared", self.topic_name);
        let filter = format!("$share/probe/{topic_name}");
        let mut subscription = self.subscribe(&filter, QoS::AtLeastOnce).await?;
        self.publish(&topic_name, "1", QoS::AtLeastOnce).await?;
        self.next(&mut subscription).await.map(|_| String::new())
    }

    async fn subscribe(&self, topic_filter: &str, qos: QoS) -> Result<Subscription, String> {
        let subscribe = async { self.client.subscribe(topic_filter).qos(qos).await };
        let subscription = timeout(self.patience, subscribe).await;
        let subscription = subscription.map_err(|_| "no answer to SUBSCRIBE".to_owned())?;
        subscription.map_err(|error| error.to_string())
    }

    async fn publish(&self, topic_name: &str, payload: &str, qos: QoS) -> Result<(), String> {
        let publish = self.client.publish(topic_name, payload.to_owned()).qos(qos);
        self.answered(publish).await
    }

    /// Publishes a retained message; an empty one clears it.
    async fn keep(&self, topic_name: &str, payload: &str) -> Result<(), String> {
        let publish = self.client.publish(topic_name, payload.to_owned());
        let publish = publish.qos(QoS::AtLeastOnce).retain();
        self.answered(publish).await
    }

    async fn answered(&self, publish: Publish) -> Result<(), String> {
        let published = timeout(self.patience, async { publish.await }).await;
        let published = published.map_err(|_| "no answer to PUBLISH".to_owned())?;
        published.map(drop).map_err(|error| error.to_string())
    }

    async fn next(&self, subscription: &mut Subscription) -> Result<Message, String> {
        let message = timeout(self.patience, subscription.next()).await;
        let message = message.map_err(|_| "nothing came back".to_owned())?;
        message.ok_or_else(|| "the connection ended".to_owned())
    }
}

/// Whether the broker acknowledges a message with a topic and a payload of these lengths.
pub(crate) async fn takes(
    client: &Client,
    topic_len: usize,
    payload_len: usize,
    patience: Duration,
) -> bool {
    let mut topic_name = format!("{PREFIX}{:016x}/", random());
    let missing = topic_len.saturating_sub(topic_name.len());
    topic_name.push_str(&"t".repeat(missing));
    topic_name.truncate(topic_len.max(1));
    let publish = client.publish(topic_name, vec![0; payload_len]);
    let published = async { publish.qos(QoS::AtLeastOnce).await };
    timeout(patience, published)
        .await
        .is_ok_and(|published| published.is_ok())
}
