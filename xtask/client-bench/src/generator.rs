//! Publishes what a receiving client is to receive, no faster than it does.

use crate::Failure;
use crate::client::{PROGRESS, TOPIC, Work};
use mqtt_client::{Bytes, Client, QoS};
use std::future::pending;
use tokio::sync::Semaphore;

/// Messages that may be on their way to the client; below what brokers queue.
const OUTSTANDING: usize = 500;

/// Publishes all messages of a run.
pub(crate) struct Generator {
    client: Client,
    outstanding: Semaphore,
}

impl Generator {
    pub(crate) async fn connect(work: &Work) -> Result<Self, Failure> {
        let builder = Client::builder(format!("mqtt://{}", work.broker));
        Ok(Self {
            client: builder.client_id("generator").connect().await?,
            outstanding: Semaphore::new(0),
        })
    }

    /// The client is subscribed.
    pub(crate) fn begin(&self) {
        self.outstanding.add_permits(OUTSTANDING);
    }

    /// The client has received [`PROGRESS`] more.
    pub(crate) fn go_on(&self) {
        self.outstanding
            .add_permits(usize::try_from(PROGRESS).unwrap_or(1));
    }

    /// Publishes all; resolves only when that fails.
    pub(crate) async fn publish(&self, work: &Work) -> Failure {
        match self.try_publish(work).await {
            Ok(()) => pending().await,
            Err(error) => error,
        }
    }

    async fn try_publish(&self, work: &Work) -> Result<(), Failure> {
        let qos = QoS::from_u8(work.qos).unwrap_or(QoS::AtMostOnce);
        let payload = Bytes::from(vec![b'x'; work.payload]);
        for _ in 0..work.messages {
            self.outstanding.acquire().await?.forget();
            let publish = self.client.publish(TOPIC, payload.clone()).qos(qos);
            drop(publish.enqueue().await?);
        }
        Ok(())
    }
}
