//! One client of a soak: it keeps every rule of the protocol, but for how it leaves.

mod faults;
mod packets;

use super::cast::{Player, Role, will_topic};
use super::judge::{Fate, Judge};
use super::link::{Link, Reading};
use super::message::Tag;
use crate::pair::Rng;
use faults::Leaving;
use mqtt_codec::{
    Ack, Connect, Delivery, Packet, PacketId, Properties, Property, PropertyList, Publish, QoS,
    Subscribe, SubscribeFilters, SubscriptionOptions, TopicFilter, TopicName, Will, frame,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

/// The longest packet taken, in bytes.
const PACKET_LEN_MAX: u32 = 1024 * 1024;
/// Messages on their way from one publisher.
const IN_FLIGHT_MAX: usize = 16;
/// Bytes that may wait to be sent.
const UNSENT_MAX: usize = 64 * 1024;
/// Packet Identifiers of messages, few enough to be used again and again.
const MESSAGE_IDS: u16 = 200;
/// Of so many messages at each QoS one is retained.
const RETAINED_RARITY: usize = 10;
/// The Packet Identifier of SUBSCRIBE.
const SUBSCRIBE_ID: PacketId = PacketId::MAX;
/// How long the broker may take to answer CONNECT, and to close what was taken over.
const ANSWER_MAX: Duration = Duration::from_secs(60);
/// How long retained messages may take.
const RETAINED_MAX: Duration = Duration::from_secs(15);
/// The Keep Alive, in seconds.
const KEEP_ALIVE_S: u16 = 60;
/// How often a client says that it is there.
const PING_EVERY: Duration = Duration::from_secs(15);
/// How long a session is kept, in seconds.
const EXPIRY_S: u32 = 3600;

/// What all clients share.
pub(super) struct World {
    pub(super) addr: SocketAddr,
    pub(super) now: Instant,
    pub(super) judge: Judge,
    pub(super) rng: Rng,
    pub(super) events: Events,
    /// Mean time between two faults of one client; none for no faults.
    pub(super) pace: Option<Duration>,
}

/// How often what happened to connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Events {
    pub(super) connections: u64,
    pub(super) resumed: u64,
    pub(super) aborted: u64,
    pub(super) torn: u64,
    pub(super) disconnected: u64,
    pub(super) taken_over: u64,
    pub(super) told_of_takeover: u64,
    pub(super) pauses: u64,
    /// QoS 2 messages the broker sent again, as it must.
    pub(super) again: u64,
}

/// Where a client is in the life of its connection.
#[derive(Clone, Copy, Debug)]
enum Stage {
    Away { until: Instant },
    Greeting { since: Instant },
    Up { since: Instant },
}

/// A message that its publisher must not forget.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    packet_id: PacketId,
    stream: usize,
    number: u64,
    len: usize,
    qos: QoS,
    /// PUBREC came.
    released: bool,
}

pub(super) struct Client {
    number: usize,
    player: Player,
    streams: BTreeMap<usize, (String, QoS, bool)>,
    link: Option<Link>,
    stage: Stage,
    /// Connections so far.
    connection: u32,
    leaving: Vec<Leaving>,
    in_flight: VecDeque<InFlight>,
    newest_packet_id: u16,
    unreleased: BTreeSet<PacketId>,
    subscribed: bool,
    aliases: BTreeMap<NonZeroU16, String>,
    fault_at: Instant,
    paused_until: Instant,
    ping_at: Instant,
}

impl Client {
    pub(super) fn new(
        number: usize,
        player: Player,
        streams: BTreeMap<usize, (String, QoS, bool)>,
        now: Instant,
    ) -> Self {
        Self {
            number,
            player,
            streams,
            link: None,
            stage: Stage::Away { until: now },
            connection: 0,
            leaving: Vec::new(),
            in_flight: VecDeque::new(),
            newest_packet_id: 0,
            unreleased: BTreeSet::new(),
            subscribed: false,
            aliases: BTreeMap::new(),
            fault_at: now,
            paused_until: now,
            ping_at: now,
        }
    }

    /// What it is.
    pub(super) const fn player(&self) -> &Player {
        &self.player
    }

    /// It is connected, and has all the subscriptions it should have.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Up { .. })
            && (self.subscribed || self.player.filters.is_empty())
            && self.leaving.is_empty()
    }

    /// Nothing it published waits for an acknowledgement.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.is_empty()
    }

    /// It may publish now.
    pub(super) fn may_publish(&self) -> bool {
        matches!(self.stage, Stage::Up { .. })
            && self.player.role == Role::Publisher
            && self.in_flight.len() < IN_FLIGHT_MAX
            && self
                .link
                .as_ref()
                .is_some_and(|link| link.unsent() < UNSENT_MAX)
    }

    /// Does what is to be done now; whether anything came.
    pub(super) fn turn(&mut self, world: &mut World) -> bool {
        self.watch_leaving(world);
        match self.stage {
            Stage::Away { until } => {
                if world.now >= until && self.leaving.is_empty() {
                    self.connect(world);
                }
                false
            }
            Stage::Greeting { since } => {
                let heard = self.listen(world);
                if world.now.duration_since(since) > ANSWER_MAX {
                    world
                        .judge
                        .accuse(format!("client {} got no CONNACK", self.number));
                    self.lose(world, Fate::Maybe);
                }
                heard
            }
            Stage::Up { .. } => {
                let heard = self.listen(world);
                self.ping(world);
                if !self.is_hoarding(world) {
                    self.flush(world);
                }
                self.maybe_fault(world);
                heard
            }
        }
    }

    /// Publishes one message.
    pub(super) fn publish(&mut self, world: &mut World) {
        // Retained messages go to many, so there are few.
        let chosen = world.rng.below(3 * RETAINED_RARITY);
        let stream = match chosen {
            0 => self.player.streams.last(),
            _ => self.player.streams.get(chosen % 3),
        };
        let Some(&stream) = stream else {
            return;
        };
        let qos = self
            .streams
            .get(&stream)
            .map_or(QoS::AtMostOnce, |(_, qos, _)| *qos);
        let len = match world.rng.chance(2) {
            true => 4096,
            false => 16 + world.rng.below(200),
        };
        let packet_id = self.free_packet_id();
        let message = InFlight {
            packet_id,
            stream,
            number: world.judge.publish(stream),
            len,
            qos,
            released: false,
        };
        if qos != QoS::AtMostOnce {
            self.in_flight.push_back(message);
        }
        self.send_message(world, message, false);
    }

    /// From now on there are faults.
    pub(super) fn expect_faults(&mut self, world: &mut World) {
        self.plan_fault(world);
    }

    /// Loses its connection if it has one, and stays away for good.
    pub(super) fn stop(&mut self) {
        self.link = None;
        self.leaving.clear();
    }

    fn connect(&mut self, world: &mut World) {
        let link = match Link::open(world.addr, self.player.version) {
            Ok(link) => link,
            Err(error) => {
                world
                    .judge
                    .accuse(format!("client {} cannot connect: {error}", self.number));
                let until = world.now + Duration::from_secs(1);
                self.stage = Stage::Away { until };
                return;
            }
        };
        self.link = Some(link);
        self.connection += 1;
        self.aliases.clear();
        world.events.connections += 1;
        world.judge.connected(self.number);
        self.stage = Stage::Greeting { since: world.now };
        let (number, player) = (self.number, self.player.clone());
        let mut set = Vec::new();
        if player.keeps {
            set.push(Property::SessionExpiryInterval(EXPIRY_S));
        }
        set.extend(NonZeroU16::new(player.receive_maximum).map(Property::ReceiveMaximum));
        if player.topic_aliases > 0 {
            set.push(Property::TopicAliasMaximum(player.topic_aliases));
        }
        let list = PropertyList::new(&set);
        let will_name = will_topic(number);
        let will = Tag::Will {
            client: number,
            connection: self.connection,
        }
        .write(0);
        let will = TopicName::try_new(&will_name)
            .ok()
            .filter(|_| player.role == Role::Publisher)
            .map(|topic_name| Will {
                topic_name,
                payload: &will,
                qos: QoS::ExactlyOnce,
                retain: false,
                properties: Properties::EMPTY,
            });
        let mut connect = Connect::new(player.version, &player.client_id);
        connect.clean_start = !player.keeps;
        connect.keep_alive_s = KEEP_ALIVE_S;
        connect.will = will;
        if player.version.has_properties() {
            connect.properties = Properties::from(&list);
        }
        self.send(world, &Packet::Connect(connect));
        self.flush(world);
    }

    /// Takes what came.
    fn listen(&mut self, world: &mut World) -> bool {
        let Some(link) = &mut self.link else {
            return false;
        };
        if world.now < self.paused_until {
            return false;
        }
        let len_max = if self.player.slow { 2048 } else { 64 * 1024 };
        let reading = link.read(len_max);
        let bytes = std::mem::take(&mut link.kept);
        let version = link.version();
        let mut at = 0;
        while let Some(rest) = bytes.get(at..) {
            let result = match frame(rest, PACKET_LEN_MAX) {
                Ok(None) => break,
                Ok(Some(found)) => {
                    at += found.len;
                    Packet::decode(found, version)
                }
                Err(error) => Err(error),
            };
            match result {
                Ok(packet) => self.handle(&packet, world),
                Err(error) => {
                    world
                        .judge
                        .accuse(format!("client {} cannot read: {error}", self.number));
                    self.lose(world, Fate::Maybe);
                }
            }
            if self.link.is_none() {
                return true;
            }
        }
        if let Some(link) = &mut self.link {
            link.kept = bytes.get(at..).unwrap_or_default().to_vec();
        }
        if reading == Reading::Closed {
            world.judge.accuse(format!(
                "client {} ({:?}) found its connection {} closed",
                self.number, self.player.version, self.connection
            ));
            self.lose(world, Fate::Maybe);
        }
        if self.player.slow && self.is_ready() && world.pace.is_some() && world.rng.below(2000) == 0
        {
            world.events.pauses += 1;
            let ms = 500 + world.rng.below(2500);
            self.paused_until = world.now + Duration::from_millis(u64::try_from(ms).unwrap_or(0));
        }
        at > 0
    }

    fn subscribe(&mut self, world: &mut World) {
        if self.subscribed || self.player.filters.is_empty() {
            return;
        }
        world.judge.subscribing(self.number);
        let player = self.player.clone();
        let filters: Vec<_> = player
            .filters
            .iter()
            .filter_map(|(filter, qos)| {
                let filter = TopicFilter::try_new(filter).ok()?;
                Some((filter, SubscriptionOptions::new(*qos)))
            })
            .collect();
        let packet = Packet::Subscribe(Subscribe {
            packet_id: SUBSCRIBE_ID,
            properties: Properties::EMPTY,
            filters: SubscribeFilters::from(filters.as_slice()),
        });
        self.send(world, &packet);
    }

    /// Sends again, in their order, what was not acknowledged.
    fn resume(&mut self, world: &mut World) {
        for message in self.in_flight.clone() {
            if message.released {
                self.send(world, &Packet::PubRel(Ack::new(message.packet_id)));
                continue;
            }
            if message.qos == QoS::AtLeastOnce {
                world.judge.resend(message.stream, message.number);
            }
            self.send_message(world, message, true);
        }
    }

    fn send_message(&mut self, world: &mut World, message: InFlight, dup: bool) {
        let Some((topic_name, _, retain)) = self.streams.get(&message.stream).cloned() else {
            return;
        };
        let payload = Tag::Stream {
            stream: message.stream,
            number: message.number,
        }
        .write(message.len);
        let packet = Packet::Publish(Publish {
            dup,
            retain,
            delivery: match message.qos {
                QoS::AtMostOnce => Delivery::AtMostOnce,
                QoS::AtLeastOnce => Delivery::AtLeastOnce(message.packet_id),
                QoS::ExactlyOnce => Delivery::ExactlyOnce(message.packet_id),
            },
            topic_name: TopicName::try_new(&topic_name).ok(),
            properties: Properties::EMPTY,
            payload: &payload,
        });
        self.send(world, &packet);
    }

    fn free_packet_id(&mut self) -> PacketId {
        loop {
            self.newest_packet_id = self.newest_packet_id % MESSAGE_IDS + 1;
            let packet_id = PacketId::new(self.newest_packet_id).unwrap_or(PacketId::MIN);
            if self
                .in_flight
                .iter()
                .all(|message| message.packet_id != packet_id)
            {
                return packet_id;
            }
        }
    }

    fn ping(&mut self, world: &mut World) {
        if world.now >= self.ping_at {
            self.ping_at = world.now + PING_EVERY;
            self.send(world, &Packet::PingReq);
        }
    }

    fn send(&mut self, world: &mut World, packet: &Packet<'_>) {
        if let Some(link) = &mut self.link
            && let Err(error) = link.send(packet)
        {
            world
                .judge
                .accuse(format!("client {} cannot send: {error}", self.number));
        }
    }

    fn flush(&mut self, world: &mut World) {
        if let Some(link) = &mut self.link
            && let Err(error) = link.flush()
        {
            world.judge.accuse(format!(
                "client {} lost its connection: {error}",
                self.number
            ));
            self.lose(world, Fate::Maybe);
        }
    }
}
