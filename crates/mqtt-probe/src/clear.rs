//! Clearing retained messages.

use std::collections::VecDeque;

use mqtt_client::{Client, PublishError, QoS, Receipt};

/// Messages that wait for the server's answer.
const UNANSWERED_MAX: usize = 256;

/// Refusals that are kept with their topics; of the others only the number is.
const REFUSALS_MAX: usize = 100;

/// What became of retained messages that were to be cleared.
#[derive(Debug, Default)]
pub struct Cleared {
    /// How many the server has acknowledged.
    pub cleared: u64,
    /// How many it has refused.
    pub refused: u64,
    /// The first 100 of those.
    pub refusals: Vec<NotCleared>,
}

/// A topic that was not cleared.
#[derive(Debug)]
pub struct NotCleared {
    /// The topic.
    pub topic_name: String,
    /// Why.
    pub error: PublishError,
}

/// Publishes an empty retained message to each topic, at QoS 1 where the server has it, and counts
/// the acknowledgements; `each` is told how many topics are done.
///
/// # Errors
/// The connection ended.
pub async fn clear(
    client: &Client,
    topic_names: impl IntoIterator<Item = String>,
    mut each: impl FnMut(u64),
) -> Result<Cleared, PublishError> {
    let maximum_qos = client.connack().map(|connack| connack.grants.maximum_qos);
    let qos = maximum_qos.map_or(QoS::AtLeastOnce, |maximum| maximum.min(QoS::AtLeastOnce));
    let mut cleared = Cleared::default();
    let mut waiting = VecDeque::new();
    for topic_name in topic_names {
        if waiting.len() == UNANSWERED_MAX {
            cleared.take(waiting.pop_front()).await?;
            each(cleared.cleared + cleared.refused);
        }
        let message = client.publish(&topic_name, Vec::new()).qos(qos).retain();
        match message.enqueue().await {
            Ok(receipt) => waiting.push_back((topic_name, receipt)),
            Err(error) => cleared.refuse(topic_name, error)?,
        }
    }
    while !waiting.is_empty() {
        cleared.take(waiting.pop_front()).await?;
        each(cleared.cleared + cleared.refused);
    }
    Ok(cleared)
}

impl Cleared {
    async fn take(&mut self, waiting: Option<(String, Receipt)>) -> Result<(), PublishError> {
        let Some((topic_name, receipt)) = waiting else {
            return Ok(());
        };
        match receipt.await {
            Ok(_) => self.cleared += 1,
            Err(error) => self.refuse(topic_name, error)?,
        }
        Ok(())
    }

    fn refuse(&mut self, topic_name: String, error: PublishError) -> Result<(), PublishError> {
        if matches!(error, PublishError::Closed(_)) {
            return Err(error);
        }
        self.refused += 1;
        if self.refusals.len() < REFUSALS_MAX {
            self.refusals.push(NotCleared { topic_name, error });
        }
        Ok(())
    }
}
