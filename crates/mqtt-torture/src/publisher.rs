//! A client that publishes numbers at QoS 1 and 2, and sends again what was not acknowledged.

use crate::link::Link;
use crate::report::{Shared, Violation};
use mqtt_codec::{Delivery, Packet, PacketId, PacketType, Properties, Publish, QoS, TopicName};
use std::collections::VecDeque;
use std::io;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Messages under way.
const WINDOW: usize = 20;
/// How long a client waits before it tries to connect again.
const RETRY: Duration = Duration::from_millis(5);

/// A message under way.
#[derive(Clone, Debug)]
struct Flow {
    packet_id: PacketId,
    qos: QoS,
    number: u64,
    /// PUBREC came: only PUBREL is sent again.
    is_released: bool,
}

#[derive(Debug)]
struct Publisher<'a> {
    shared: &'a Shared,
    client_id: String,
    /// At QoS 1 and at QoS 2.
    topics: [String; 2],
    /// The next number of each topic.
    next: [u64; 2],
    flows: VecDeque<Flow>,
    last_packet_id: u16,
    had_session: bool,
}

/// Publishes until told to stop and until all is acknowledged.
pub(crate) fn run(shared: &Shared, number: u8) {
    let mut publisher = Publisher {
        shared,
        client_id: format!("torture-publisher-{number}"),
        topics: [1, 2].map(|qos| format!("torture/{number}/qos{qos}")),
        next: [0; 2],
        flows: VecDeque::new(),
        last_packet_id: 0,
        had_session: false,
    };
    // Whatever ends a connection, the next one goes on.
    while publisher.serve().is_err() {
        std::thread::sleep(RETRY);
    }
    let topics = publisher.topics.into_iter().zip(publisher.next);
    shared.note_published(topics);
}

impl Publisher<'_> {
    /// One connection, up to its end; `Ok` when there is nothing more to be done.
    fn serve(&mut self) -> io::Result<()> {
        let (mut link, present) = Link::open(self.shared.addr, &self.client_id, false)?;
        if self.had_session && !present {
            let client_id = self.client_id.clone();
            self.shared.note(Violation::SessionLost { client_id });
        }
        self.shared
            .resumed
            .fetch_add(u64::from(present), Ordering::Relaxed);
        self.had_session = true;
        self.send_again(&mut link)?;
        loop {
            self.fill(&mut link)?;
            link.flush()?;
            if self.flows.is_empty() {
                return Ok(());
            }
            loop {
                let answer = link.receive(answer)?;
                self.handle(&mut link, answer)?;
                if !link.has_packet() {
                    break;
                }
            }
        }
    }

    fn send_again(&self, link: &mut Link) -> io::Result<()> {
        for flow in self.flows.iter().filter(|flow| flow.is_released) {
            link.push_ack(PacketType::PubRel, flow.packet_id)?;
        }
        for flow in self.flows.iter().filter(|flow| !flow.is_released) {
            self.push(link, flow, true)?;
        }
        Ok(())
    }

    /// Begins as many messages as may be under way, unless it is time to stop.
    fn fill(&mut self, link: &mut Link) -> io::Result<()> {
        while self.flows.len() < WINDOW && !self.shared.is_stopped() {
            let of_qos_2 = self.next[1] < self.next[0];
            let (at, qos) = match of_qos_2 {
                true => (1, QoS::ExactlyOnce),
                false => (0, QoS::AtLeastOnce),
            };
            let Some(number) = self.next.get_mut(at) else {
                return Ok(());
            };
            let flow = Flow {
                packet_id: next_packet_id(&mut self.last_packet_id, &self.flows),
                qos,
                number: *number,
                is_released: false,
            };
            *number += 1;
            self.push(link, &flow, false)?;
            self.flows.push_back(flow);
        }
        Ok(())
    }

    fn push(&self, link: &mut Link, flow: &Flow, dup: bool) -> io::Result<()> {
        let [qos_1, qos_2] = &self.topics;
        let topic_name = match flow.qos {
            QoS::ExactlyOnce => qos_2,
            _ => qos_1,
        };
        let number = flow.number.to_string();
        link.push(&Packet::Publish(Publish {
            dup,
            retain: false,
            delivery: match flow.qos {
                QoS::ExactlyOnce => Delivery::ExactlyOnce(flow.packet_id),
                _ => Delivery::AtLeastOnce(flow.packet_id),
            },
            topic_name: TopicName::try_new(topic_name).ok(),
            properties: Properties::EMPTY,
            payload: number.as_bytes(),
        }))
    }

    fn handle(&mut self, link: &mut Link, answer: Option<Answer>) -> io::Result<()> {
        let refused = || io::Error::from(io::ErrorKind::PermissionDenied);
        let Some(Answer {
            kind,
            packet_id,
            is_error,
        }) = answer
        else {
            return Err(refused());
        };
        let Some(at) = self
            .flows
            .iter()
            .position(|flow| flow.packet_id == packet_id)
        else {
            return Ok(());
        };
        if is_error && kind != PacketType::PubComp {
            return Err(refused());
        }
        let [qos_1, qos_2] = &self.shared.acknowledged;
        match (kind, self.flows.get_mut(at)) {
            (PacketType::PubRec, Some(flow)) => {
                if !flow.is_released {
                    qos_2.fetch_add(1, Ordering::Relaxed);
                }
                flow.is_released = true;
                link.push_ack(PacketType::PubRel, packet_id)?;
                link.flush()?;
            }
            (PacketType::PubAck, Some(_)) => {
                qos_1.fetch_add(1, Ordering::Relaxed);
                self.flows.remove(at);
            }
            _ => {
                self.flows.remove(at);
            }
        }
        Ok(())
    }
}

/// PUBACK, PUBREC or PUBCOMP.
struct Answer {
    kind: PacketType,
    packet_id: PacketId,
    is_error: bool,
}

fn answer(packet: &Packet<'_>) -> Option<Answer> {
    match packet {
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => Some(Answer {
            kind: packet.packet_type(),
            packet_id: ack.packet_id,
            is_error: ack.reason.is_error(),
        }),
        _ => None,
    }
}

fn next_packet_id(last: &mut u16, flows: &VecDeque<Flow>) -> PacketId {
    loop {
        *last = last.wrapping_add(1);
        if let Some(packet_id) = PacketId::new(*last)
            && !flows.iter().any(|flow| flow.packet_id == packet_id)
        {
            return packet_id;
        }
    }
}
