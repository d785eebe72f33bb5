//! A client that replaces retained messages, and looks what is there after each restart.

use crate::link::Link;
use crate::report::{Shared, Violation};
use mqtt_codec::{
    Delivery, Packet, PacketId, Properties, Publish, QoS, Subscribe, SubscribeFilters,
    SubscriptionOptions, TopicFilter, TopicName,
};
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Topics with a retained message.
const TOPICS: usize = 10;
/// How long a client waits before it tries to connect again.
const RETRY: Duration = Duration::from_millis(5);

/// A topic with what is known of its retained message.
#[derive(Clone, Debug)]
struct Slot {
    topic_name: String,
    /// The last number that was acknowledged; 0 for none.
    acknowledged: u64,
    /// The last number that was sent.
    sent: u64,
}

/// Replaces and looks until told to stop.
pub(crate) fn run(shared: &Shared) {
    let mut slots: Vec<Slot> = (0..TOPICS)
        .map(|at| Slot {
            topic_name: format!("torture-retained/{at}"),
            acknowledged: 0,
            sent: 0,
        })
        .collect();
    loop {
        let is_last = shared.is_stopped();
        let looked = look(shared, &slots);
        if is_last && looked.is_ok() {
            return;
        }
        if looked.and_then(|()| replace(shared, &mut slots)).is_err() {
            std::thread::sleep(RETRY);
        }
    }
}

/// Looks whether what is retained is at least as new as what was acknowledged.
fn look(shared: &Shared, slots: &[Slot]) -> io::Result<()> {
    let (mut link, _) = Link::open(shared.addr, "torture-looker", true)?;
    for (at, slot) in slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.acknowledged > 0)
    {
        let Ok(filter) = TopicFilter::try_new(&slot.topic_name) else {
            continue;
        };
        let filters = [(filter, SubscriptionOptions::new(QoS::AtMostOnce))];
        let packet_id = u16::try_from(at + 1).ok().and_then(PacketId::new);
        link.push(&Packet::Subscribe(Subscribe {
            packet_id: packet_id.unwrap_or(PacketId::MIN),
            properties: Properties::EMPTY,
            filters: SubscribeFilters::from(&filters[..]),
        }))?;
        link.flush()?;
        let mut found = None;
        let mut is_answered = false;
        // The message may come before SUBACK or behind it, but it comes at once.
        while !is_answered || found.is_none() {
            let received = link.receive(|packet| match packet {
                Packet::SubAck(_) => None,
                Packet::Publish(publish) => std::str::from_utf8(publish.payload)
                    .ok()
                    .and_then(|text| text.parse::<u64>().ok()),
                _ => None,
            });
            match received {
                Ok(Some(number)) => found = Some(number),
                Ok(None) => is_answered = true,
                // A broker that is there and silent has nothing.
                Err(error) if crate::link::is_silence(&error) => break,
                Err(error) => return Err(error),
            }
        }
        if found.is_none_or(|found| found < slot.acknowledged || found > slot.sent) {
            shared.note(Violation::Retained {
                topic_name: slot.topic_name.clone(),
                acknowledged: slot.acknowledged,
                found,
            });
        }
    }
    Ok(())
}

/// Replaces retained messages, one after the other, until the connection ends.
fn replace(shared: &Shared, slots: &mut [Slot]) -> io::Result<()> {
    let (mut link, _) = Link::open(shared.addr, "torture-retainer", true)?;
    while !shared.is_stopped() {
        for slot in &mut *slots {
            slot.sent += 1;
            let number = slot.sent.to_string();
            link.push(&Packet::Publish(Publish {
                dup: false,
                retain: true,
                delivery: Delivery::AtLeastOnce(PacketId::MIN),
                topic_name: TopicName::try_new(&slot.topic_name).ok(),
                properties: Properties::EMPTY,
                payload: number.as_bytes(),
            }))?;
            link.flush()?;
            let is_taken = link.receive(|packet| match packet {
                Packet::PubAck(ack) => !ack.reason.is_error(),
                _ => false,
            })?;
            if !is_taken {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            slot.acknowledged = slot.sent;
            shared.retained.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(())
}
