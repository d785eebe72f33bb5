//! Two sessions at the ends of a simulated connection that is late, torn and cut at any byte.
//!
//! Both ends send at every QoS, keep answers back as slow applications do, refuse messages, lose the connection at
//! any byte in either direction, learn of it early or late, and come back with another Receive Maximum. Everything
//! is decided by one seed and a virtual clock, so that a failure can be repeated with `MQTT_SEED`. A referee that
//! shares no code with the sessions looks at each packet; see [`run`] for what it holds them to.

mod counts;
mod end;
mod referee;
mod rng;
mod wire;

pub use counts::{Counts, Fault};

use end::{Around, Connection, End, Item};
use mqtt_codec::{ProtocolVersion, QoS};
use mqtt_session::{AckQueue, Link, Session};
use referee::{Referees, Verdict, check};
use rng::Rng;
use std::fmt;
use std::sync::OnceLock;
use wire::Wire;

/// Topic Names messages are published to.
const TOPICS: [&str; 3] = ["t/0", "t/1", "t/a/long/one"];
/// How long bytes are usually under way, at most; in milliseconds.
const LATENCY_MS: u16 = 40;
/// How long they are in bad moments; in milliseconds.
const DELAY_MS: u16 = 5_000;
/// Lines of what happened before that a failure shows.
const TRACE_LEN: usize = 60;

/// How large a simulation is.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// The version whose packets are sent.
    pub version: ProtocolVersion,
    /// Messages each end publishes.
    pub messages: u32,
    /// Steps during which connections are cut; afterwards everything has to come to rest.
    pub rough_steps: u32,
    /// Steps after which a simulation that has not come to rest has failed.
    pub steps_max: u32,
}

/// A broken rule and how to see it again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed of the simulation.
    pub seed: u64,
    /// The step in which it was noticed.
    pub step: u32,
    /// What is wrong.
    pub what: String,
    /// The last things that happened before.
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.trace {
            writeln!(f, "    {line}")?;
        }
        let Self {
            seed, step, what, ..
        } = self;
        write!(f, "MQTT_SEED={seed} fails in step {step}: {what}")
    }
}

impl std::error::Error for Failure {}

/// The seeds to run: the one in `MQTT_SEED`, or else 0 to `count - 1`.
pub fn seeds(count: u64) -> Vec<u64> {
    let one = std::env::var("MQTT_SEED").ok();
    match one.and_then(|seed| seed.parse().ok()) {
        Some(seed) => vec![seed],
        None => (0..count).collect(),
    }
}

/// Runs the simulation of `seed` until all messages have arrived.
///
/// After each step: no QoS 2 message is delivered twice, none of QoS 1 without a repeated PUBLISH; messages of one
/// topic and QoS are delivered in order; identifiers are free when they are given out; each quota is exactly what
/// the packets on the connection leave of it; repeats have DUP, their old identifier, and the order of their first
/// sending or of PUBREC; answers have the order of arrival; nothing is kept for flows that have ended. At the end
/// nothing is open and no message of QoS 1 or 2 is missing.
///
/// # Errors
/// The first rule that is broken, with what happened before.
pub fn run(seed: u64, plan: &Plan) -> Result<Counts, Failure> {
    let mut pair = Pair::new(seed, plan, false);
    let Err((step, what)) = pair.run() else {
        return Ok(pair.counts);
    };
    // Once more for the record: keeping one is too slow for all the runs that succeed.
    let mut pair = Pair::new(seed, plan, true);
    let (step, what) = pair.run().err().unwrap_or((step, what));
    let mut trace = pair.trace.unwrap_or_default();
    trace.drain(..trace.len().saturating_sub(TRACE_LEN));
    Err(Failure {
        seed,
        step,
        what,
        trace,
    })
}

/// One of the two ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Side {
    Client,
    Server,
}

impl Side {
    const fn other(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Something each side has.
#[derive(Debug, Default)]
struct Both<T> {
    client: T,
    server: T,
}

impl<T> Both<T> {
    const fn of(&mut self, side: Side) -> &mut T {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }
}

struct Pair {
    plan: Plan,
    rng: Rng,
    now_ms: u64,
    ends: Both<End>,
    /// By the side that writes.
    wires: Both<Wire>,
    /// By the side that publishes.
    referees: Referees,
    /// What the side accepts unfinished.
    receive_maximum: Both<u16>,
    /// What its peer accepted on the connection before.
    window_before: Both<u16>,
    /// Messages still to be published.
    unpublished: Both<u32>,
    next_request: u32,
    /// Steps until identifiers are lapped; never when it is past the rough steps.
    lap_in: usize,
    counts: Counts,
    trace: Option<Vec<String>>,
}

impl Pair {
    fn new(seed: u64, plan: &Plan, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let client = End::new(Side::Client, session(&mut rng));
        let server = End::new(Side::Server, session(&mut rng));
        // It costs as much as all the rest, so not every seed does it.
        let rough_steps = usize::try_from(plan.rough_steps).unwrap_or(0);
        let lap_in = match rng.chance(15) {
            true => rng.below(rough_steps),
            false => usize::MAX,
        };
        Self {
            plan: *plan,
            rng,
            now_ms: 0,
            ends: Both { client, server },
            wires: Both::default(),
            referees: Both::default(),
            receive_maximum: Both::default(),
            window_before: Both::default(),
            unpublished: Both {
                client: plan.messages,
                server: plan.messages,
            },
            next_request: 0,
            lap_in,
            counts: Counts::default(),
            trace: trace.then(Vec::new),
        }
    }

    /// The step and the rule that is broken.
    fn run(&mut self) -> Result<(), (u32, String)> {
        for step in 0..self.plan.steps_max {
            self.counts.steps += 1;
            let is_rough = step < self.plan.rough_steps;
            let taken = self.step(is_rough).and_then(|()| self.check_now());
            taken.map_err(|what| (step, what))?;
            if !is_rough && self.is_at_rest() {
                return self.check_at_rest().map_err(|what| (step, what));
            }
        }
        Err((self.plan.steps_max, "it does not come to rest".to_owned()))
    }

    fn step(&mut self, is_rough: bool) -> Verdict {
        let side = match self.rng.chance(50) {
            true => Side::Client,
            false => Side::Server,
        };
        self.lap_in = self.lap_in.saturating_sub(1);
        if self.lap_in == 0 {
            self.lap_in = usize::MAX;
            return self.with_end(side, End::lap);
        }
        if !self.wires.client.is_open() {
            return match self.rng.below(10) {
                0 | 1 => self.reconnect(is_rough),
                2 => self.notice(side),
                3 => self.publish(side),
                4 => self.finish(side),
                _ => self.deliver(side),
            };
        }
        match self.rng.below(100) {
            0..20 => self.publish(side),
            20..40 => self.finish(side),
            40..43 => self.request(),
            43..45 if is_rough => {
                self.cut();
                Ok(())
            }
            _ => self.deliver(side),
        }
    }

    /// The application of `side` publishes its next message, if there is one.
    fn publish(&mut self, side: Side) -> Verdict {
        let unpublished = self.unpublished.of(side);
        let Some(left) = unpublished.checked_sub(1) else {
            return Ok(());
        };
        *unpublished = left;
        let qos = match self.rng.below(5) {
            0 => QoS::AtMostOnce,
            1 | 2 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        let topic = u8::try_from(self.rng.below(TOPICS.len())).unwrap_or(0);
        let padding = match self.rng.chance(10) {
            true => self.rng.between(100, 300),
            false => self.rng.between(0, 20),
        };
        let number = self.referees.of(side).published(qos, topic);
        let item = Item {
            number,
            topic,
            qos,
            padding,
        };
        self.with_end(side, |end, around| end.publish(item, around))
    }

    fn request(&mut self) -> Verdict {
        self.next_request += 1;
        let item = Item {
            number: self.next_request,
            topic: 0,
            qos: QoS::AtMostOnce,
            padding: 0,
        };
        self.with_end(Side::Client, |end, around| end.request(item, around))
    }

    fn finish(&mut self, side: Side) -> Verdict {
        self.with_end(side, End::finish_one)
    }

    /// Some of the bytes that `side` wrote arrive; the clock moves on when they are late.
    fn deliver(&mut self, side: Side) -> Verdict {
        let wire = self.wires.of(side);
        let Some(due_ms) = wire.next_due_ms() else {
            return Ok(());
        };
        self.now_ms = self.now_ms.max(due_ms);
        let len_max = match self.rng.chance(40) {
            true => 1 + self.rng.below(8),
            false => 1 + self.rng.below(600),
        };
        let bytes = self.wires.of(side).take(self.now_ms, len_max);
        self.with_end(side.other(), |end, around| end.handle_bytes(&bytes, around))
    }

    fn cut(&mut self) {
        self.note("the connection is cut");
        for side in [Side::Client, Side::Server] {
            let keep = self.rng.below(self.wires.of(side).len() + 1);
            if self.wires.of(side).cut(keep) > 0 {
                self.counts.note(Fault::BytesLost);
            }
        }
        let both_know = self.rng.chance(30);
        if both_know {
            self.ends.client.disconnect(&mut self.counts);
            self.ends.server.disconnect(&mut self.counts);
        }
    }

    /// `side` learns that the connection is gone.
    fn notice(&mut self, side: Side) -> Verdict {
        self.note(&format!("{side:?} notices"));
        self.ends.of(side).disconnect(&mut self.counts);
        Ok(())
    }

    fn reconnect(&mut self, is_rough: bool) -> Verdict {
        for side in [Side::Client, Side::Server] {
            self.ends.of(side).disconnect(&mut self.counts);
            self.wires.of(side).open();
        }
        let session_lost = is_rough && self.rng.chance(5);
        self.note(match session_lost {
            true => "a new connection, the session is lost",
            false => "a new connection",
        });
        for side in [Side::Client, Side::Server] {
            let most = if self.rng.chance(50) { 3 } else { 20 };
            *self.receive_maximum.of(side) = self.rng.between(1, most);
        }
        for side in [Side::Client, Side::Server] {
            self.connect(side, session_lost)?;
        }
        for side in [Side::Client, Side::Server] {
            self.with_end(side, End::send_waiting)?;
        }
        Ok(())
    }

    fn connect(&mut self, side: Side, session_lost: bool) -> Verdict {
        let peer = *self.receive_maximum.of(side.other());
        // Before v5 nobody can be told of a limit, but everybody may keep to one.
        let own = match self.plan.version.has_properties() {
            true => *self.receive_maximum.of(side),
            false => u16::MAX,
        };
        let end = self.ends.of(side);
        end.connection = Some(Connection {
            link: Link::new(peer, own),
            answers: AckQueue::new(),
            inbound: Vec::new(),
        });
        if session_lost {
            let given_back: Vec<u32> = end.session.clear().map(|item| item.number).collect();
            self.counts.note(Fault::SessionLost);
            return self.referees.of(side).began_anew(peer, &given_back);
        }
        let inflight = end.session.inflight();
        end.session.begin_resume();
        let before = std::mem::replace(self.window_before.of(side), peer);
        if inflight > usize::from(peer) {
            self.counts.note(Fault::SmallerWindow);
        } else if before > 0 && peer > before {
            self.counts.note(Fault::LargerWindow);
        }
        self.referees.of(side).resumed(peer);
        Ok(())
    }

    /// Lets an end act and sends what it writes.
    fn with_end(
        &mut self,
        side: Side,
        act: impl FnOnce(&mut End, &mut Around<'_>) -> Verdict,
    ) -> Verdict {
        let mut around = Around {
            version: self.plan.version,
            rng: &mut self.rng,
            referees: &mut self.referees,
            counts: &mut self.counts,
            out: Vec::new(),
            trace: self.trace.as_mut(),
        };
        act(self.ends.of(side), &mut around)?;
        let bytes = around.out;
        let is_late = self.rng.chance(3);
        let latency_ms = match is_late {
            true => DELAY_MS,
            false => self.rng.between(0, LATENCY_MS),
        };
        let wire = self.wires.of(side);
        if !bytes.is_empty() && !wire.is_open() {
            self.counts.note(Fault::HalfOpen);
        } else if !bytes.is_empty() && is_late {
            self.counts.note(Fault::Delay);
        }
        wire.push(self.now_ms + u64::from(latency_ms), bytes);
        Ok(())
    }

    /// What has to hold at any moment.
    fn check_now(&mut self) -> Verdict {
        for side in [Side::Client, Side::Server] {
            let referee = self.referees.of(side);
            let (sent, open) = (referee.sent_unacknowledged(), referee.open_len());
            let received = self.referees.of(side.other()).received_unfinished();
            let end = self.ends.of(side);
            let inflight = end.session.inflight();
            if let Some(Connection { link, answers, .. }) = &end.connection {
                let quota = link.send_quota();
                check(quota.left() + sent == quota.receive_maximum(), || {
                    format!("{side:?} has {quota:?} with {sent} unacknowledged")
                })?;
                let unfinished = link.unfinished();
                check(unfinished == received, || {
                    format!("{side:?} counts {unfinished} unfinished, there are {received}")
                })?;
                check(answers.len() <= usize::from(received), || {
                    format!("{side:?} keeps {} answers to {received}", answers.len())
                })?;
                check(inflight == open, || {
                    format!("{side:?} keeps {inflight} flows of {open}")
                })?;
            }
            let referee = self.referees.of(side.other());
            let mut unreleased = end.session.unreleased().iter();
            let forgotten = unreleased.find(|packet_id| !referee.is_open_qos_2(*packet_id));
            check(forgotten.is_none(), || {
                format!("{side:?} remembers {forgotten:?}, which has ended")
            })?;
        }
        Ok(())
    }

    fn is_at_rest(&mut self) -> bool {
        [Side::Client, Side::Server].into_iter().all(|side| {
            let end = self.ends.of(side);
            let is_done = end.waiting.is_empty() && end.session.inflight() == 0;
            let answered = end.connection.as_ref();
            let answered = answered.is_some_and(|connection| connection.answers.is_empty());
            let all_published = *self.unpublished.of(side) == 0;
            is_done && answered && all_published && self.wires.of(side).len() == 0
        })
    }

    fn check_at_rest(&mut self) -> Verdict {
        for side in [Side::Client, Side::Server] {
            self.referees.of(side).at_rest()?;
            let session = &self.ends.of(side).session;
            check(
                session.unreleased().is_empty() && !session.is_resuming(),
                || format!("{side:?} is left with {session:?}"),
            )?;
        }
        Ok(())
    }

    fn note(&mut self, what: &str) {
        if let Some(trace) = &mut self.trace {
            trace.push(what.to_owned());
        }
    }
}

/// An empty session, sometimes one that is about to give out the last identifiers.
fn session(rng: &mut Rng) -> Session<Item> {
    static AGED: OnceLock<Session<Item>> = OnceLock::new();
    if !rng.chance(25) {
        return Session::new();
    }
    AGED.get_or_init(|| {
        let (mut session, mut link) = (Session::new(), Link::new(1, 1));
        let item = Item {
            number: 0,
            topic: 0,
            qos: QoS::AtMostOnce,
            padding: 0,
        };
        for _ in 0..u16::MAX - 10 {
            if let Ok(packet_id) = session.send_request(item) {
                let _ = session.handle_answer(&mut link, packet_id);
            }
        }
        session
    })
    .clone()
}
