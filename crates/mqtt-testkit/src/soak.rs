//! Many clients that come and go for minutes, against a broker in another process, and an account of every message.
//!
//! The clients speak through the codec alone, and each keeps its own account of packets on their way, so that no code
//! of sessions or of the broker judges itself. See [`run`] for what the broker is held to.

mod aftermath;
mod broker;
mod cast;
mod client;
mod judge;
mod link;
mod memory;
mod message;

pub use broker::Broker;

use crate::pair::Rng;
use cast::{Cast, Role};
use client::{Client, Events, World};
use judge::Judge;
use memory::Memory;
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// How long all clients may take to connect and subscribe.
const START_MAX: Duration = Duration::from_secs(60);
/// How long nothing may come at the end while something is missing.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long it waits for copies too many.
const AFTERWARDS: Duration = Duration::from_millis(500);
/// The pause after a round in which nothing happened.
const ROUND: Duration = Duration::from_millis(2);

/// How large a run is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Decides what the clients do; not what the network and the scheduler do.
    pub seed: u64,
    /// Clients at a time, at least 10.
    pub clients: usize,
    /// How long they come, go and publish.
    pub time: Duration,
    /// Messages published by all of them together. Unit: per second.
    pub rate: u32,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Report {
    /// How much of what there was, in lines.
    pub summary: Vec<String>,
    /// The first violations.
    pub violations: Vec<String>,
    /// How many there were in all.
    pub violation_count: u64,
}

/// Runs the clients of `plan` against the broker at `addr`, the process `pid` if that is known.
///
/// Every message whose publisher keeps its session reaches every session that subscribed to it before, in the order
/// of its publisher and topic; at QoS 1 again only with DUP after a reconnect, or if its publisher sent it again; at
/// QoS 2 once. A group has each message once. A Will is published if and only if its connection ended without a
/// farewell. A new subscription brings the newest retained message. A connection ends only if the client ends it or
/// takes it over. At the end nothing is left of sessions and subscriptions, and memory has not grown.
///
/// `progress` is called with a line every minute.
pub fn run(
    plan: &Plan,
    addr: SocketAddr,
    pid: Option<u32>,
    progress: &mut dyn FnMut(&str),
) -> Report {
    Soak::new(plan, addr, pid).run(progress)
}

struct Soak {
    plan: Plan,
    pid: Option<u32>,
    clients: Vec<Client>,
    publishers: Vec<usize>,
    world: World,
    memory: Memory,
    began: Instant,
}

impl Soak {
    fn new(plan: &Plan, addr: SocketAddr, pid: Option<u32>) -> Self {
        let now = Instant::now();
        let cast = Cast::new(plan.clients);
        let clients = cast.players.iter().enumerate().map(|(number, player)| {
            let streams = player.streams.iter().filter_map(|stream| {
                let of = cast.streams.get(*stream)?;
                Some((*stream, (of.topic_name.clone(), of.qos, of.retained)))
            });
            Client::new(number, player.clone(), streams.collect(), now)
        });
        let publishers = cast.players.iter().enumerate();
        Self {
            plan: *plan,
            pid,
            clients: clients.collect(),
            publishers: publishers
                .filter(|(_, player)| player.role == Role::Publisher)
                .map(|(number, _)| number)
                .collect(),
            world: World {
                addr,
                now,
                judge: Judge::new(cast),
                rng: Rng::new(plan.seed),
                events: Events::default(),
                pace: None,
            },
            memory: Memory::default(),
            began: now,
        }
    }

    fn run(mut self, progress: &mut dyn FnMut(&str)) -> Report {
        if self.until_ready() {
            self.began = Instant::now();
            self.rough(progress);
            self.calm();
            let missing = self.world.judge.missing();
            for line in missing {
                self.world.judge.accuse(line);
            }
        } else {
            let accusation = "not all clients could connect and subscribe".to_owned();
            self.world.judge.accuse(accusation);
        }
        if let Some(growth) = self.memory.growth(self.plan.time) {
            self.world.judge.accuse(growth);
        }
        let mut summary = self.summary();
        let players: Vec<_> = self.clients.iter().map(Client::player).cloned().collect();
        self.clients.iter_mut().for_each(Client::stop);
        let retained = self.world.judge.retained_count();
        match aftermath::look(self.world.addr, &players, &retained) {
            Ok(line) => summary.push(line),
            Err(error) => self.world.judge.accuse(error),
        }
        let (violations, violation_count) = self.world.judge.violations();
        Report {
            summary,
            violations: violations.to_vec(),
            violation_count,
        }
    }

    /// Everybody connects and subscribes before the first message; whether that went well.
    fn until_ready(&mut self) -> bool {
        let end = Instant::now() + START_MAX;
        while !self.clients.iter().all(Client::is_ready) {
            self.round();
            if self.world.now > end {
                return false;
            }
        }
        true
    }

    /// The run itself.
    fn rough(&mut self, progress: &mut dyn FnMut(&str)) {
        let pace = (self.plan.time / 8).clamp(Duration::from_millis(400), Duration::from_secs(20));
        self.world.pace = Some(pace);
        for client in &mut self.clients {
            client.expect_faults(&mut self.world);
        }
        let (sample_every, warm_up) = Memory::times(self.plan.time);
        let mut next_sample = self.began + warm_up;
        let mut next_minute = 1;
        let mut budget = 0.0;
        let mut before = self.began;
        while self.began.elapsed() < self.plan.time {
            let now = Instant::now();
            let due = now.duration_since(before).as_secs_f64() * f64::from(self.plan.rate);
            // What could not be published within a second is not made up for.
            budget = f64::min(budget + due, f64::from(self.plan.rate));
            before = now;
            while budget >= 1.0 {
                budget -= 1.0;
                self.publish();
            }
            self.round();
            if now >= next_sample {
                next_sample = now + sample_every;
                if let Some(kb) = self.pid.and_then(memory::anonymous_kb) {
                    self.memory.add(kb);
                }
            }
            if self.began.elapsed() >= Duration::from_secs(60) * next_minute {
                progress(&self.minute(next_minute));
                next_minute += 1;
            }
        }
        self.world.pace = None;
    }

    /// Everybody connects again and gets what is missing.
    fn calm(&mut self) {
        let mut before = self.world.judge.counts;
        let mut since = Instant::now();
        let mut settled = None;
        while settled.is_none_or(|settled: Instant| settled.elapsed() < AFTERWARDS) {
            for _ in 0..20 {
                self.round();
            }
            if self.world.judge.counts != before {
                before = self.world.judge.counts;
                since = Instant::now();
            }
            let done = self
                .clients
                .iter()
                .all(|client| client.is_ready() && client.is_idle())
                && self.world.judge.missing().is_empty();
            settled = match settled {
                _ if !done => None,
                None => Some(Instant::now()),
                settled => settled,
            };
            if !done && since.elapsed() > SILENCE_MAX {
                return;
            }
        }
    }

    /// One message of any publisher that can.
    fn publish(&mut self) {
        let place = self.world.rng.below(self.publishers.len());
        let turned = self.publishers.iter().cycle().skip(place);
        for &number in turned.take(self.publishers.len()) {
            if let Some(client) = self.clients.get_mut(number)
                && client.may_publish()
            {
                client.publish(&mut self.world);
                return;
            }
        }
    }

    fn round(&mut self) {
        let mut heard = false;
        self.world.now = Instant::now();
        for client in &mut self.clients {
            heard |= client.turn(&mut self.world);
        }
        if !heard {
            std::thread::sleep(ROUND);
        }
    }

    fn minute(&self, minute: u32) -> String {
        let counts = self.world.judge.counts;
        let memory = self.pid.and_then(memory::anonymous_kb).unwrap_or(0);
        format!(
            "{minute} min: {} published, {} received, {} connections, {memory} KiB, {} violations",
            counts.published.iter().sum::<u64>(),
            counts.delivered.iter().sum::<u64>(),
            self.world.events.connections,
            self.world.judge.violations().1,
        )
    }

    fn summary(&self) -> Vec<String> {
        let counts = self.world.judge.counts;
        let events = self.world.events;
        let by_version = self.clients.iter().fold(BTreeMap::new(), |mut by, client| {
            *by.entry(client.player().version).or_insert(0) += 1;
            by
        });
        let [p0, p1, p2] = counts.published;
        let [d0, d1, d2] = counts.delivered;
        let mut lines = vec![
            format!(
                "{} clients {by_version:?}, {} s, seed {}",
                self.clients.len(),
                self.plan.time.as_secs(),
                self.plan.seed
            ),
            format!(
                "published: {p0} at QoS 0, {p1} at QoS 1, {p2} at QoS 2; {} acknowledged, {} sent again",
                counts.acknowledged, counts.resent
            ),
            format!(
                "received: {d0} at QoS 0, {d1} at QoS 1, {d2} at QoS 2; {} repeats at QoS 1, {} of QoS 2 packets, \
                 {} retained, {} Wills",
                counts.repeats, events.again, counts.retained, counts.wills
            ),
            format!(
                "connections: {}, {} of them resumed; ended by: {} aborts, {} torn packets, {} DISCONNECT, \
                 {} takeovers ({} told); {} pauses of slow readers",
                events.connections,
                events.resumed,
                events.aborted,
                events.torn,
                events.disconnected,
                events.taken_over,
                events.told_of_takeover,
                events.pauses
            ),
        ];
        if let Some((first, last)) = self.memory.first_last() {
            lines.push(format!(
                "memory: {first} KiB in the first fifth, {last} KiB in the last"
            ));
        }
        lines
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.summary {
            writeln!(f, "soak: {line}")?;
        }
        for line in &self.violations {
            writeln!(f, "violation: {line}")?;
        }
        write!(f, "soak: {} violations", self.violation_count)
    }
}
