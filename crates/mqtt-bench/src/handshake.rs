//! Opens many connections at once: CONNECT, maybe SUBSCRIBE, maybe leave again.

use std::time::{Duration, Instant};

use mio::{Events, Poll};

use crate::connection::{Connection, Received};
use crate::error::BenchError;
use crate::frame;
use crate::incoming::Incoming;
use crate::run::Target;
use crate::scenario::{QoS, Version};
use crate::topics::FILTERS_PER_PACKET;

/// Connections that are on their way at the same time.
const AT_ONCE: usize = 64;

/// What a client does to get ready.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) client_id: String,
    /// Whether the session ends with the connection.
    pub(crate) clean: bool,
    /// What to subscribe to, a bounded number at a time.
    pub(crate) topic_filters: Vec<String>,
    pub(crate) qos: QoS,
    /// Whether to send DISCONNECT when ready and wait until the broker closed.
    pub(crate) leaves: bool,
}

/// What a client waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    ConnAck,
    SubAck,
    Close,
    Ready,
}

struct Opening {
    connection: Connection,
    step: Step,
    plan: Plan,
}

/// Runs the plans, a bounded number at a time, and gives the connections that stay, in order.
/// Connection `n` has token `n`.
pub(crate) fn open_all(
    poll: &mut Poll,
    target: &Target,
    version: Version,
    mut plans: impl Iterator<Item = Plan>,
    patience: Duration,
) -> Result<Vec<Connection>, BenchError> {
    let mut clients: Vec<Option<Opening>> = Vec::new();
    let mut events = Events::with_capacity(AT_ONCE * 2);
    let mut buffer = vec![0; 4096];
    let mut under_way = 0;
    let mut last_progress = Instant::now();
    loop {
        while under_way < AT_ONCE {
            let Some(plan) = plans.next() else { break };
            let mut connection = Connection::begin(poll.registry(), target, clients.len())?;
            connection
                .outbox
                .push(&frame::connect(version, &plan.client_id, plan.clean))?;
            clients.push(Some(Opening {
                connection,
                step: Step::ConnAck,
                plan,
            }));
            under_way += 1;
        }
        if under_way == 0 {
            break;
        }
        wait(poll, &mut events)?;
        for event in &events {
            let Some(place) = clients.get_mut(event.token().0) else {
                continue;
            };
            let Some(client) = place else { continue };
            if client.step == Step::Ready {
                continue;
            }
            let before = client.step;
            let gone = client.proceed(version, &mut buffer)?;
            if gone || client.step == Step::Ready {
                under_way -= 1;
            }
            // Between two SUBSCRIBEs the step stays the same.
            if gone || client.step != before || client.step == Step::SubAck {
                last_progress = Instant::now();
            }
            if gone {
                *place = None;
            }
        }
        if last_progress.elapsed() > patience {
            return Err(stuck(&clients, patience));
        }
    }
    Ok(clients
        .into_iter()
        .flatten()
        .map(|client| client.connection)
        .collect())
}

/// Waits for events, at most 100 ms.
pub(crate) fn wait(poll: &mut Poll, events: &mut Events) -> Result<(), BenchError> {
    wait_for(poll, events, Duration::from_millis(100))
}

/// Waits for events, at most so long.
pub(crate) fn wait_for(
    poll: &mut Poll,
    events: &mut Events,
    timeout: Duration,
) -> Result<(), BenchError> {
    match poll.poll(events, Some(timeout)) {
        Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
            Err(BenchError::io("waiting for events")(error))
        }
        _ => Ok(()),
    }
}

impl Opening {
    /// Writes and reads what is possible. True when the client has left.
    fn proceed(&mut self, version: Version, buffer: &mut [u8]) -> Result<bool, BenchError> {
        self.connection.flush()?;
        loop {
            let len = match self.connection.receive(buffer)? {
                Received::Nothing => break,
                Received::Closed if self.step == Step::Close => return Ok(true),
                Received::Closed => {
                    let awaited = self.step.awaited().to_owned();
                    return Err(BenchError::Closed {
                        client: self.plan.client_id.clone(),
                        awaited,
                    });
                }
                Received::Bytes(len) => len,
            };
            let mut rest = buffer.get(..len).unwrap_or_default();
            while let Some(incoming) = self.connection.splitter.next_incoming(version, &mut rest) {
                self.step = self.step_after(version, incoming)?;
            }
        }
        self.connection.flush()?;
        Ok(false)
    }

    fn step_after(
        &mut self,
        version: Version,
        incoming: Option<Incoming>,
    ) -> Result<Step, BenchError> {
        let client = || self.plan.client_id.clone();
        match (self.step, incoming) {
            (
                Step::ConnAck,
                Some(Incoming::ConnAck {
                    reason: 0,
                    receive_maximum,
                    ..
                }),
            ) => {
                self.connection.receive_maximum = receive_maximum;
                self.subscribe(version)
            }
            (Step::ConnAck, Some(Incoming::ConnAck { reason, .. })) => Err(BenchError::Refused {
                client: client(),
                packet: "CONNACK",
                reason,
            }),
            (Step::SubAck, Some(Incoming::SubAck { reason })) if reason < 0x80 => {
                self.subscribe(version)
            }
            (Step::SubAck, Some(Incoming::SubAck { reason })) => Err(BenchError::Refused {
                client: client(),
                packet: "SUBACK",
                reason,
            }),
            // A broker may say goodbye too.
            (Step::Close, Some(Incoming::Disconnect { .. })) => Ok(Step::Close),
            (step, incoming) => {
                let found = format!("{incoming:?} while waiting for {}", step.awaited());
                Err(BenchError::Unexpected {
                    client: client(),
                    found,
                })
            }
        }
    }

    /// Asks for the next filters, if there are any left.
    fn subscribe(&mut self, version: Version) -> Result<Step, BenchError> {
        let filters = &mut self.plan.topic_filters;
        if filters.is_empty() {
            return self.ready();
        }
        let count = filters.len().min(FILTERS_PER_PACKET);
        let packet = frame::subscribe(version, filters.iter().take(count), self.plan.qos);
        filters.drain(..count);
        self.connection.outbox.push(&packet)?;
        Ok(Step::SubAck)
    }

    fn ready(&mut self) -> Result<Step, BenchError> {
        if !self.plan.leaves {
            return Ok(Step::Ready);
        }
        self.connection.outbox.push(&frame::DISCONNECT)?;
        Ok(Step::Close)
    }
}

impl Step {
    fn awaited(self) -> &'static str {
        match self {
            Self::ConnAck => "CONNACK",
            Self::SubAck => "SUBACK",
            Self::Close => "the end of the connection after DISCONNECT",
            Self::Ready => "nothing",
        }
    }
}

fn stuck(clients: &[Option<Opening>], waited: Duration) -> BenchError {
    let waiting = clients
        .iter()
        .flatten()
        .find(|client| client.step != Step::Ready);
    let (client, step) = waiting.map_or_else(Default::default, |c| {
        (c.plan.client_id.clone(), c.step.awaited())
    });
    BenchError::Stuck {
        client,
        awaited: step.to_owned(),
        waited,
    }
}
