//! Publishing a recording again.

mod client;
mod topics;

pub use topics::Topics;

use std::collections::VecDeque;
use std::future::pending;
use std::time::Duration;

use mqtt_client::{Client, ClosedError, PublishError, Published, QoS, Receipt};
use tokio::time::{Instant, sleep_until};

use crate::{ReadError, Record};

/// Messages that wait for the server's answer.
const UNANSWERED_MAX: usize = 256;

/// Refusals that are kept with their topics; of the others only the number is.
const REFUSALS_MAX: usize = 100;

/// A time that is as good as never, and that every clock has: some thirty years.
const FOREVER: Duration = Duration::from_secs(1_000_000_000);

/// How fast a recording is published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Speed {
    /// So many times as fast as it was recorded: 1 as it was, 0.5 half as fast. More than 0.
    Times(f64),
    /// As fast as the server takes it.
    Max,
}

/// What is done to the messages of a recording.
#[derive(Clone, Debug)]
pub struct Replay {
    /// How fast.
    pub speed: Speed,
    /// What becomes of topics.
    pub topics: Topics,
    /// This QoS in place of the recorded one.
    pub qos: Option<QoS>,
    /// Leave out what was retained before the recording, and retain nothing.
    pub no_retain: bool,
}

/// What became of a recording.
#[derive(Debug, Default)]
pub struct Replayed {
    /// Messages that were sent.
    pub sent: u64,
    /// Those that the server has acknowledged; at QoS 0 those that went out.
    pub done: u64,
    /// Bytes of payload of all that were sent.
    pub bytes: u64,
    /// Those that were refused, by the server or before they were sent.
    pub refused: u64,
    /// The first 100 of those.
    pub refusals: Vec<Refusal>,
    /// The latest that a message was sent behind its time.
    pub late_max: Duration,
}

/// A message that was refused.
#[derive(Debug)]
pub struct Refusal {
    /// Its topic.
    pub topic_name: String,
    /// Why.
    pub error: PublishError,
}

/// Why a replay ended before the recording.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// The recording cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The connection has ended.
    #[error(transparent)]
    Closed(#[from] ClosedError),
}

impl Default for Replay {
    fn default() -> Self {
        Self {
            speed: Speed::Times(1.0),
            topics: Topics::default(),
            qos: None,
            no_retain: false,
        }
    }
}

impl Replay {
    /// Publishes `records` in their order, each at its time counted from the first, and waits for all
    /// answers; what has become of them so far is added to `replayed`, and told to `each`.
    ///
    /// A message whose time has passed is sent at once: nothing is left out.
    ///
    /// # Errors
    /// The recording cannot be read, or the connection has ended.
    pub async fn run(
        &self,
        client: &Client,
        records: impl IntoIterator<Item = Result<Record, ReadError>>,
        replayed: &mut Replayed,
        mut each: impl FnMut(&Replayed),
    ) -> Result<(), ReplayError> {
        let start = Instant::now();
        let mut first = None;
        let mut waiting = VecDeque::new();
        for record in records {
            let record = record?;
            let first = *first.get_or_insert(record.at);
            let due = self.due(start, record.at.saturating_sub(first));
            let mut may_send = false;
            while !may_send {
                let has_room = waiting.len() < UNANSWERED_MAX;
                tokio::select! {
                    biased;
                    answer = first_answer(&mut waiting) => replayed.take(answer)?,
                    () = wait_until(due), if has_room => may_send = true,
                    reason = client.closed() => return Err(ClosedError { reason }.into()),
                }
            }
            if let Some(due) = due {
                replayed.late_max = replayed.late_max.max(due.elapsed());
            }
            self.send(client, record, replayed, &mut waiting).await?;
            each(replayed);
        }
        while !waiting.is_empty() {
            let answer = first_answer(&mut waiting).await;
            replayed.take(answer)?;
            each(replayed);
        }
        Ok(())
    }

    /// When a message is sent; none for at once.
    fn due(&self, start: Instant, at: Duration) -> Option<Instant> {
        match self.speed {
            Speed::Max => None,
            Speed::Times(times) => {
                let after = Duration::try_from_secs_f64(at.as_secs_f64() / times);
                Some(start + after.unwrap_or(FOREVER).min(FOREVER))
            }
        }
    }

    async fn send(
        &self,
        client: &Client,
        record: Record,
        replayed: &mut Replayed,
        waiting: &mut VecDeque<(String, Receipt)>,
    ) -> Result<(), ReplayError> {
        let bytes = u64::try_from(record.payload.len()).unwrap_or(u64::MAX);
        let topic_name = self.topics.of(&record.topic_name);
        let retain = record.retain && !self.no_retain;
        let message = client
            .publish(&topic_name, record.payload)
            .qos(self.qos.unwrap_or(record.qos))
            .properties(client::properties(record.properties));
        let message = if retain { message.retain() } else { message };
        match message.enqueue().await {
            Ok(receipt) => {
                replayed.sent += 1;
                replayed.bytes += bytes;
                waiting.push_back((topic_name, receipt));
                Ok(())
            }
            Err(error) => replayed.take((topic_name, Err(error))),
        }
    }
}

impl Replayed {
    fn take(
        &mut self,
        (topic_name, answer): (String, Result<Published, PublishError>),
    ) -> Result<(), ReplayError> {
        match answer {
            Ok(_) => self.done += 1,
            Err(PublishError::Closed(closed)) => return Err(closed.into()),
            Err(error) => {
                self.refused += 1;
                if self.refusals.len() < REFUSALS_MAX {
                    self.refusals.push(Refusal { topic_name, error });
                }
            }
        }
        Ok(())
    }
}

async fn wait_until(due: Option<Instant>) {
    if let Some(due) = due {
        sleep_until(due).await;
    }
}

/// The answer to the oldest message; waits for ever if there is none.
///
/// Cancel safety: a dropped call loses no answer.
async fn first_answer(
    waiting: &mut VecDeque<(String, Receipt)>,
) -> (String, Result<Published, PublishError>) {
    let Some((topic_name, receipt)) = waiting.front_mut() else {
        return pending().await;
    };
    let answer = receipt.await;
    let topic_name = std::mem::take(topic_name);
    waiting.pop_front();
    (topic_name, answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_near_zero_is_not_the_fastest() {
        let start = Instant::now();
        let due = |speed, at| {
            let replay = Replay {
                speed,
                ..Replay::default()
            };
            replay.due(start, at)
        };
        let second = Duration::from_secs(1);
        assert_eq!(due(Speed::Max, second), None);
        assert_eq!(due(Speed::Times(0.5), second), Some(start + 2 * second));
        assert_eq!(due(Speed::Times(1e-300), second), Some(start + FOREVER));
        assert_eq!(due(Speed::Times(1e-300), Duration::ZERO), Some(start));
        assert_eq!(due(Speed::Times(1.0), Duration::MAX), Some(start + FOREVER));
    }
}
