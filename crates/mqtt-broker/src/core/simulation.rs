//! The broker's core with many clients, a network that loses connections, and virtual time.
//!
//! Clients publish at every QoS, subscribe, share subscriptions, leave, come back, take over, and leave wills.
//! A model is told of each packet when the broker takes it and says what must follow: which messages reach which
//! session, how often, in which order, whether a session is there to be resumed, and which wills are published.
//! A seed that fails is printed; `MQTT_SEED=n` runs that one alone and
//! prints every packet.

mod client;
mod model;
mod readable;

use super::arrival_rate::ArrivalRate;
use super::bans::Bans;
use super::cause::EndCause;
use super::flapping::FlappingSettings;
use super::limits::Limits;
use super::log::{CommitLog, Durability, MemoryLog};
use super::pace::Rates;
use super::retained::Retained;
use super::share_group::SharedStrategy;
use super::{Batch, Connection, Core, Offer, Parts};
use crate::access::AllowAll;
use crate::config::Config;
use crate::extensions::Extensions;
use crate::hub::Hub;
use crate::ownership::SingleNode;
use client::{Asked, SimClient};
use model::Model;
use mqtt_codec::{Frame, Packet, ProtocolVersion};
use mqtt_io::{Verdict, WriteQueue};
use readable::ReadableLog;
use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

/// Seeds of each run of the suite.
const SEEDS: u64 = 320;
/// Steps of one simulation, before everything is brought to rest.
const STEPS: usize = 600;
/// Clients of one simulation, without the one that watches wills.
const CLIENTS: usize = 6;
/// One step of the clock, in milliseconds: the granularity of the broker's timers.
const TICK_MS: u64 = 100;

/// Random numbers that depend on the seed alone.
#[derive(Debug)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound).unwrap();
        usize::try_from(self.next() % bound).unwrap()
    }

    pub(super) fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    pub(super) fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len())]
    }
}

/// A Network Connection: packets on their way in both directions.
struct Link {
    connection: Connection,
    up: VecDeque<Vec<u8>>,
    down: VecDeque<Vec<u8>>,
    /// What was written and is no whole packet yet.
    written: Vec<u8>,
}

struct World {
    core: Arc<Core>,
    batch: Batch,
    now_ms: u64,
    random: Random,
    clients: Vec<SimClient>,
    /// The connection of each client that has one.
    links: Vec<Option<Link>>,
    /// Connections that were taken over and have not noticed.
    stale: Vec<Link>,
    model: Model,
    /// Every packet is printed, and what is lost.
    traces: bool,
}

impl World {
    fn new(seed: u64, traces: bool) -> Self {
        let mut random = Random(seed);
        let limits = Limits {
            inflight_max: random.one_of(&[1, 2, 10, 1024]),
            shared_strategy: random.one_of(&[
                SharedStrategy::RoundRobin,
                SharedStrategy::Random,
                SharedStrategy::Sticky,
                SharedStrategy::HashClientId,
                SharedStrategy::HashTopic,
                SharedStrategy::LeastInflight,
            ]),
            shared_seed: Some(seed),
            head_bytes_max: random.one_of(&[Some(0), Some(300), Some(1 << 20)]),
            queue_memory_max: random.one_of(&[1000, usize::MAX]),
            ..Limits::default()
        };
        let config = Config::default();
        let core = Arc::new(Core::new(Parts {
            offer: Offer::default(),
            access: Arc::new(AllowAll),
            authenticate: None,
            log: match random.chance(70) {
                true => Arc::new(ReadableLog::default()) as Arc<dyn CommitLog>,
                false => Arc::new(MemoryLog),
            },
            ownership: Arc::new(SingleNode),
            fabric: None,
            hub: Hub::new(Vec::new()),
            extensions: Extensions::new(&config),
            retained: Arc::new(Retained::new(&limits)),
            bans: Bans::new(FlappingSettings::OFF),
            arrival_rate: ArrivalRate::new(None),
            sys: crate::sys::Sys::new(&config, 0),
            limits,
        }));
        let clients: Vec<_> = (0..=CLIENTS)
            .map(|index| SimClient::new(index, index == CLIENTS, &mut random))
            .collect();
        Self {
            core,
            batch: Batch::new(),
            now_ms: 0,
            random,
            links: clients.iter().map(|_| None).collect(),
            stale: Vec::new(),
            model: Model::new(clients.len()),
            clients,
            traces,
        }
    }

    /// The client behind all others watches wills and never leaves.
    fn start(&mut self) {
        self.connect(CLIENTS);
        self.settle();
        let asked = self.clients[CLIENTS].subscribe_to("w/#", mqtt_codec::QoS::ExactlyOnce);
        self.send(CLIENTS, asked);
        self.settle();
    }

    fn step(&mut self) {
        let at = self.random.below(CLIENTS);
        match self.random.below(110) {
            100.. => {
                self.load();
            }
            0..35 => {
                let upwards = self.random.below(CLIENTS + 1);
                self.take_from(upwards);
            }
            35..65 => {
                let downwards = self.random.below(CLIENTS + 1);
                self.give_to(downwards);
            }
            65..85 if self.links[at].is_some() => {
                let asked = self.clients[at].ask(&mut self.random);
                if let Some(asked) = asked {
                    self.send(at, asked);
                }
            }
            65..88 if self.links[at].is_none() => self.connect(at),
            85..90 => self.connect(at),
            90..95 => self.lose(at),
            _ => {
                for _ in 0..self.random.one_of(&[1, 3, 20]) {
                    self.tick();
                }
            }
        }
    }

    fn send(&mut self, at: usize, asked: Asked) {
        if let Some(link) = &mut self.links[at] {
            link.up.push_back(asked.bytes);
        }
    }

    /// A new connection; one that is there is forgotten by its client and left to the broker.
    fn connect(&mut self, at: usize) {
        let connect = self.clients[at].connect(&mut self.random);
        let peer = "127.0.0.1:1".parse().unwrap();
        let core = Arc::clone(&self.core);
        let (rates, durability) = (Rates::default(), Durability::default());
        let connection = Connection::new(core, peer, "sim".into(), rates, durability, self.now_ms);
        let before = self.links[at].replace(Link {
            connection,
            up: VecDeque::from([connect]),
            down: VecDeque::new(),
            written: Vec::new(),
        });
        if let Some(mut stale) = before {
            if stale.connection.is_open() {
                // The broker learns of the new one while it still has the old one.
                self.take_from(at);
                self.stale.push(stale);
                self.pump_stale();
            } else {
                let cause = EndCause::ConnectionLost;
                stale.connection.close(cause, &mut self.batch, self.now_ms);
            }
        }
    }

    /// The network drops a connection with all that is on its way.
    fn lose(&mut self, at: usize) {
        let Some(mut link) = self.links[at].take() else {
            return;
        };
        let was_open = link.connection.is_open();
        if self.traces {
            println!("{} {at} lost, open {was_open}", self.now_ms);
        }
        if was_open {
            self.model.lost(at, false, self.now_ms);
        }
        link.connection
            .close(EndCause::ConnectionLost, &mut self.batch, self.now_ms);
        self.clients[at].lost();
    }

    /// The broker takes the next packet of a client; `false` when there is none.
    fn take_from(&mut self, at: usize) -> bool {
        let Some(link) = &mut self.links[at] else {
            return false;
        };
        let Some(bytes) = link.up.pop_front() else {
            return false;
        };
        let version = self.clients[at].version;
        let frame = whole(&bytes);
        let packet = Packet::decode(frame, version).unwrap();
        if self.traces {
            println!("{} {at} > {packet:?}", self.now_ms);
        }
        self.model.taken(at, &packet, self.now_ms);
        let verdict = link
            .connection
            .handle_frame(frame, &mut self.batch, self.now_ms);
        self.core.finish(&mut self.batch, self.now_ms);
        assert_ne!(verdict, Verdict::Pause, "nothing to wait for");
        self.pump(at);
        if let Some(link) = &mut self.links[at]
            && let Some(cause) = link.connection.end()
        {
            let with_will = match cause {
                EndCause::ClientDisconnect => false,
                EndCause::ClientDisconnectWithWill => true,
                other => panic!("client {at} was thrown out: {other}"),
            };
            link.connection.close(cause, &mut self.batch, self.now_ms);
            self.links[at] = None;
            self.model.lost(at, !with_will, self.now_ms);
            self.clients[at].lost();
        }
        true
    }

    /// What the broker has for a client goes onto the wire.
    fn pump(&mut self, at: usize) {
        if let Some(link) = &mut self.links[at] {
            link.pump(&mut self.batch, self.now_ms);
        }
    }

    fn pump_stale(&mut self) {
        for mut link in std::mem::take(&mut self.stale) {
            link.pump(&mut self.batch, self.now_ms);
            assert_eq!(link.connection.end(), Some(EndCause::SessionTakenOver));
            link.connection
                .close(EndCause::ConnectionLost, &mut self.batch, self.now_ms);
        }
    }

    /// A client takes the next packet of the broker; `false` when there is none.
    fn give_to(&mut self, at: usize) -> bool {
        self.pump(at);
        let Some(link) = &mut self.links[at] else {
            return false;
        };
        let Some(bytes) = link.down.pop_front() else {
            return false;
        };
        let packet = Packet::decode(whole(&bytes), self.clients[at].version).unwrap();
        if self.traces {
            println!("{} {at} < {packet:?}", self.now_ms);
        }
        let answers = self.clients[at].take(&packet, &mut self.model);
        link.up.extend(answers);
        true
    }

    fn tick(&mut self) {
        self.now_ms += TICK_MS;
        self.model.tick(self.now_ms);
        self.core.tick(&mut self.batch, self.now_ms);
    }

    /// Messages are read from the log; `false` when nobody waits for any.
    fn load(&mut self) -> bool {
        self.core.finish(&mut self.batch, self.now_ms);
        let mut sessions = Vec::new();
        let any = self.core.loads.try_take(&mut sessions);
        self.core.load(&sessions, &mut self.batch, self.now_ms);
        any
    }

    /// Everything on its way arrives.
    fn settle(&mut self) {
        loop {
            let mut moved = false;
            for at in 0..self.clients.len() {
                while self.take_from(at) || self.give_to(at) {
                    moved = true;
                }
            }
            if !moved && !self.load() {
                return;
            }
        }
    }

    /// Those whose sessions are still there come back for what they are owed.
    fn end(&mut self) {
        self.settle();
        for at in 0..self.clients.len() {
            if self.links[at].is_none() && self.model.has_session(at) {
                self.clients[at].keep_session();
                self.connect(at);
            }
        }
        self.settle();
        self.model.check_end();
        assert_eq!(self.core.queued_bytes(), 0, "nothing waits");
        assert_eq!(self.core.stored_count(), 0, "nothing waits in the log");
        assert_eq!(self.core.session_count(), self.model.session_count());
        let mut batch = Batch::new();
        std::mem::swap(&mut batch, &mut self.batch);
        assert!(batch.overflowed.is_empty());
    }
}

impl Link {
    fn pump(&mut self, batch: &mut Batch, now_ms: u64) {
        let mut queue = WriteQueue::new();
        let mut cx = Context::from_waker(Waker::noop());
        let _ = self.connection.poll(&mut cx, batch, now_ms);
        loop {
            self.connection
                .take_output(&mut queue, batch, Waker::noop(), now_ms);
            if queue.is_empty() {
                break;
            }
            assert!(matches!(
                queue.poll_flush(&mut self.written, &mut cx),
                Poll::Ready(Ok(_))
            ));
        }
        let mut rest = &self.written[..];
        while let Ok(Some(frame)) = mqtt_codec::frame(rest, u32::MAX) {
            self.down.push_back(rest[..frame.len].to_vec());
            rest = &rest[frame.len..];
        }
        assert!(rest.is_empty(), "whole packets are written");
        self.written.clear();
    }
}

fn whole(bytes: &[u8]) -> Frame<'_> {
    mqtt_codec::frame(bytes, u32::MAX).unwrap().unwrap()
}

fn run(seed: u64, traces: bool) {
    let mut world = World::new(seed, traces);
    world.start();
    for _ in 0..STEPS {
        world.step();
    }
    world.end();
}

#[test]
fn many_clients_get_what_they_are_owed() {
    let only = std::env::var("MQTT_SEED").ok();
    let only = only.and_then(|seed| seed.parse().ok());
    let seeds = match only {
        Some(seed) => seed..seed + 1,
        None => 0..SEEDS,
    };
    for seed in seeds {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed, only.is_some())) {
            println!("seed {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

/// What a simulation is made of when it speaks every version.
const VERSIONS: [ProtocolVersion; 3] = ProtocolVersion::ALL;
