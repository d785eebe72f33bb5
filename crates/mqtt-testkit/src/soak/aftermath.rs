//! What is left in the broker after everybody has gone for good.

use super::cast::Player;
use crate::raw::RawClient;
use mqtt_codec::{
    Connect, Disconnect, Packet, PacketId, ProtocolVersion, QoS, Subscribe, SubscribeFilters,
    SubscriptionOptions, TopicFilter,
};
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

/// How long the broker may take to count what is left.
const COUNTED_MAX: Duration = Duration::from_secs(30);

/// Ends all sessions and asks the broker what it still has.
///
/// # Errors
/// In words: what it has too much of, or why it cannot be asked.
pub(super) fn look(
    addr: SocketAddr,
    players: &[Player],
    retained: &RangeInclusive<usize>,
) -> Result<String, String> {
    for player in players {
        let ended = end_session(addr, player);
        ended.map_err(|error| format!("{} cannot end its session: {error}", player.client_id))?;
    }
    let [_, _, newest] = ProtocolVersion::ALL;
    let end = Instant::now() + COUNTED_MAX;
    loop {
        let counted = counters(addr, newest);
        let [sessions, connected, subscriptions, kept] =
            counted.map_err(|error| format!("the broker does not tell its counters: {error}"))?;
        // One session, one connection and its subscriptions are this client's own.
        let is_left = format!(
            "at the end: {sessions} sessions, {connected} connections, {subscriptions} subscriptions, \
             {kept} retained messages, with the one that asks"
        );
        let own = [1, 1, TOPICS.len()];
        if [sessions, connected, subscriptions] == own && retained.contains(&kept) {
            return Ok(is_left);
        }
        if Instant::now() > end {
            return Err(format!("{is_left}; expected were {own:?} and {retained:?}"));
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Where the broker tells them, in the order of [`look`].
const TOPICS: [&str; 4] = [
    "$SYS/broker/clients/total",
    "$SYS/broker/clients/connected",
    "$SYS/broker/subscriptions/count",
    "$SYS/broker/retained messages/count",
];

fn end_session(addr: SocketAddr, player: &Player) -> io::Result<()> {
    let mut client = connect(addr, player.version, &player.client_id)?;
    client.send(&Packet::Disconnect(Disconnect::default()))?;
    client.receive_to_end().map(|_| ())
}

fn connect(addr: SocketAddr, version: ProtocolVersion, client_id: &str) -> io::Result<RawClient> {
    let mut client = RawClient::connect(addr, version)?;
    client.send(&Packet::Connect(Connect::new(version, client_id)))?;
    match client.receive()?.packet()? {
        Packet::ConnAck(connack) if !connack.reason.is_error() => Ok(client),
        other => Err(io::Error::other(format!("{other:?}"))),
    }
}

fn counters(addr: SocketAddr, version: ProtocolVersion) -> io::Result<[usize; TOPICS.len()]> {
    let mut client = connect(addr, version, "soak-look")?;
    let options = SubscriptionOptions::new(QoS::AtMostOnce);
    let filters: Vec<_> = TOPICS
        .iter()
        .filter_map(|topic| Some((TopicFilter::try_new(topic).ok()?, options)))
        .collect();
    client.send(&Packet::Subscribe(Subscribe {
        packet_id: PacketId::MIN,
        properties: mqtt_codec::Properties::EMPTY,
        filters: SubscribeFilters::from(filters.as_slice()),
    }))?;
    let mut found = [None; TOPICS.len()];
    // The first values may be from before the SUBSCRIBE was counted.
    let mut values = 0;
    while values < 2 * TOPICS.len() || found.contains(&None) {
        let packet = client.receive()?;
        if let Packet::Publish(publish) = packet.packet()?
            && let Some(topic_name) = publish.topic_name
        {
            let text = std::str::from_utf8(publish.payload).unwrap_or_default();
            let place = TOPICS
                .iter()
                .position(|topic| *topic == topic_name.as_str());
            if let Some(slot) = place.and_then(|place| found.get_mut(place)) {
                *slot = text.parse().ok();
                values += 1;
            }
        }
    }
    client.send(&Packet::Disconnect(Disconnect::default()))?;
    client.receive_to_end()?;
    Ok(found.map(Option::unwrap_or_default))
}
