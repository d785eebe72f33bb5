//! A fleet that is connected to a broker.

use std::collections::HashMap;
use std::time::Duration;

use mqtt_client::{
    Client, ClientBuilder, CloseReason, ConnectError, QoS, Receipt, TryEnqueueError, Will,
};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::{Fleet, Said, Step, What};

/// How long the end waits for what is not acknowledged.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Answers that are waited for; above it no message is said until one came.
const UNDER_WAY_MAX: usize = 10_000;

/// A time that is as good as never, and that every clock has: some thirty years.
const FOREVER: Duration = Duration::from_secs(1_000_000_000);

/// How a fleet is run.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How much faster than the clock; 1 is as fast.
    pub speed: f64,
    /// When it ends, in the time of the fleet; never when not set.
    pub duration: Option<Duration>,
}

/// What a run came to.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Totals {
    /// Messages handed to a client.
    pub published: u64,
    /// Those the broker did not take, and those that found no place.
    pub failed: u64,
    /// Connections begun.
    pub connections: u64,
    /// Connections that never came to be, or were not accepted.
    pub refused: u64,
    /// Steps that came more than a second late, since this machine or the broker was slow.
    pub late: u64,
}

/// A step that comes later than this is late.
const LATE: Duration = Duration::from_secs(1);

/// Runs a fleet until its end or the end of `stopped`; `progress` is called once a second or less.
///
/// `connect` gives the builder of a client with this Client Identifier.
///
/// # Errors
/// The first device cannot connect.
pub async fn run(
    mut fleet: Fleet,
    options: Options,
    connect: impl Fn(&str) -> ClientBuilder,
    stopped: impl Future<Output = ()>,
    mut progress: impl FnMut(&Totals),
) -> Result<Totals, ConnectError> {
    let start = Instant::now();
    let mut told = start;
    let mut crowd = Crowd::default();
    let mut stopped = std::pin::pin!(stopped);
    while let Some(step) = fleet.next_step() {
        if options.duration.is_some_and(|duration| step.at > duration) {
            break;
        }
        let due = start + slowed(step.at, options.speed);
        tokio::select! {
            biased;
            () = &mut stopped => break,
            () = sleep_until(due) => {}
        }
        if due.elapsed() > LATE {
            crowd.totals.late += 1;
        }
        tokio::select! {
            biased;
            () = &mut stopped => break,
            done = crowd.act(&fleet, step, &connect) => done?,
        }
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            progress(&crowd.totals);
        }
    }
    crowd.end().await;
    Ok(crowd.totals)
}

/// How long a time of the fleet is at this speed; what no clock would reach is [`FOREVER`].
fn slowed(at: Duration, speed: f64) -> Duration {
    let slowed = Duration::try_from_secs_f64(at.as_secs_f64() / speed);
    slowed.unwrap_or(FOREVER).min(FOREVER)
}

/// Who is connected.
#[derive(Default)]
struct Crowd {
    clients: HashMap<usize, Connected>,
    /// Answers, and connections: whether each went well.
    answers: JoinSet<Answer>,
    totals: Totals,
}

/// A client, and the task that drives it.
struct Connected {
    client: Client,
    driver: JoinHandle<CloseReason>,
}

enum Answer {
    Published(bool),
    Connected(bool),
    Ended,
}

impl Crowd {
    async fn act(
        &mut self,
        fleet: &Fleet,
        step: Step,
        connect: &impl Fn(&str) -> ClientBuilder,
    ) -> Result<(), ConnectError> {
        while let Some(done) = self.answers.try_join_next() {
            self.count(done.ok());
        }
        while self.answers.len() >= UNDER_WAY_MAX {
            let done = self.answers.join_next().await;
            self.count(done.and_then(Result::ok));
        }
        match step.what {
            What::Connect => self.connect(fleet, step.device, connect).await,
            What::Publish(said) => {
                self.publish(step.device, said);
                Ok(())
            }
            What::Disconnect { abrupt } => {
                self.disconnect(step.device, abrupt);
                Ok(())
            }
        }
    }

    /// The first device is waited for: if the broker does not take it, it takes none.
    async fn connect(
        &mut self,
        fleet: &Fleet,
        device: usize,
        connect: &impl Fn(&str) -> ClientBuilder,
    ) -> Result<(), ConnectError> {
        let mut builder = connect(fleet.client_id(device).unwrap_or_default());
        if let Some(said) = fleet.will(device) {
            let will = Will::new(&said.topic_name, said.payload.clone()).qos(qos(said.qos));
            builder = builder.will(if said.retain { will.retain() } else { will });
        }
        self.totals.connections += 1;
        let is_first = self.totals.connections == 1;
        let (client, driver) = builder.build()?;
        let driver = tokio::spawn(driver);
        let connecting = client.clone();
        self.clients.insert(device, Connected { client, driver });
        if is_first {
            return match connecting.connected().await.map_err(|closed| closed.reason) {
                Err(CloseReason::ConnectFailed(error)) => Err(ConnectError::clone(&error)),
                _ => Ok(()),
            };
        }
        self.answers
            .spawn(async move { Answer::Connected(connecting.connected().await.is_ok()) });
        Ok(())
    }

    fn publish(&mut self, device: usize, said: Said) {
        let Some(Connected { client, .. }) = self.clients.get(&device) else {
            return;
        };
        let publish = client
            .publish(said.topic_name, said.payload)
            .qos(qos(said.qos));
        let publish = if said.retain {
            publish.retain()
        } else {
            publish
        };
        match publish.try_enqueue() {
            Ok(receipt) => {
                self.totals.published += 1;
                self.answers.spawn(acknowledged(receipt));
            }
            Err(error) => {
                self.totals.failed += 1;
                if let TryEnqueueError::Publish(error) = error {
                    tracing::debug!(device, %error, "not published");
                }
            }
        }
    }

    fn disconnect(&mut self, device: usize, abrupt: bool) {
        let Some(Connected { client, driver }) = self.clients.remove(&device) else {
            return;
        };
        if abrupt {
            // Without its driver the connection is closed, and nothing is said before.
            driver.abort();
            return;
        }
        self.answers.spawn(async move {
            // How it ends changes nothing.
            let _ = client.disconnect().await;
            Answer::Ended
        });
    }

    fn count(&mut self, answer: Option<Answer>) {
        match answer {
            Some(Answer::Published(false)) => self.totals.failed += 1,
            Some(Answer::Connected(false)) => self.totals.refused += 1,
            _ => {}
        }
    }

    async fn end(&mut self) {
        for device in self.clients.keys().copied().collect::<Vec<_>>() {
            self.disconnect(device, false);
        }
        let all = async {
            while let Some(done) = self.answers.join_next().await {
                self.count(done.ok());
            }
        };
        // What is not answered by then has failed.
        let in_time = timeout(LAST_WORDS, all).await.is_ok();
        if !in_time {
            let left = u64::try_from(self.answers.len()).unwrap_or(u64::MAX);
            self.totals.failed += left;
        }
    }
}

async fn acknowledged(receipt: Receipt) -> Answer {
    Answer::Published(receipt.await.is_ok())
}

fn qos(qos: u8) -> QoS {
    match qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_speed_near_zero_is_as_good_as_none() {
        let hour = Duration::from_secs(3_600);
        for (speed, expected) in [
            (1.0, hour),
            (3_600.0, Duration::from_secs(1)),
            (1e-6, FOREVER),
            (1e-300, FOREVER),
        ] {
            assert_eq!(slowed(hour, speed), expected, "{speed}");
        }
        assert_eq!(slowed(Duration::ZERO, 1e-300), Duration::ZERO);
    }
}
