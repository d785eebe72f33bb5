//! What happened in simulations, so that a test can say that everything did.

use std::fmt;

/// Something that makes a protocol difficult.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
#[non_exhaustive]
pub enum Fault {
    /// A packet arrived in more than one piece.
    Split,
    /// Bytes were under way for longer than usual.
    Delay,
    /// The connection was cut between two packets.
    CutBetweenPackets,
    /// The connection was cut inside a packet.
    CutInsidePacket,
    /// Bytes were under way when the connection was cut.
    BytesLost,
    /// One end went on sending, not knowing of the cut.
    HalfOpen,
    /// The new connection has a Receive Maximum below what is in flight.
    SmallerWindow,
    /// The new connection has a larger Receive Maximum.
    LargerWindow,
    /// PUBLISH had to wait for the send quota.
    WindowFull,
    /// PUBLISH was sent again.
    PublishAgain,
    /// PUBREL was sent again.
    PubRelAgain,
    /// A QoS 2 message came again and was known.
    KnownDuplicate,
    /// PUBREL came again when its flow had ended.
    UnknownPubRel,
    /// The application finished with a message before an older one.
    FinishedOutOfOrder,
    /// PUBACK refused a message.
    RefusedQoS1,
    /// PUBREC refused a message.
    RefusedQoS2,
    /// A connection was cut before a refusal left.
    RefusalLost,
    /// SUBSCRIBE was left without its answer.
    RequestLost,
    /// Packet Identifiers began again at 1.
    IdentifiersWrapped,
    /// So many identifiers were given out that the next ones were in use.
    Lapped,
    /// Both ends lost their session.
    SessionLost,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 21] = [
        Self::Split,
        Self::Delay,
        Self::CutBetweenPackets,
        Self::CutInsidePacket,
        Self::BytesLost,
        Self::HalfOpen,
        Self::SmallerWindow,
        Self::LargerWindow,
        Self::WindowFull,
        Self::PublishAgain,
        Self::PubRelAgain,
        Self::KnownDuplicate,
        Self::UnknownPubRel,
        Self::FinishedOutOfOrder,
        Self::RefusedQoS1,
        Self::RefusedQoS2,
        Self::RefusalLost,
        Self::RequestLost,
        Self::IdentifiersWrapped,
        Self::Lapped,
        Self::SessionLost,
    ];
}

/// How often each [`Fault`] happened, and how much was done in spite of it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Counts {
    faults: Vec<(Fault, u64)>,
    /// Messages handed to an application, repetitions included.
    pub delivered: u64,
    /// Steps of the simulation.
    pub steps: u64,
}

impl Counts {
    /// How often `fault` happened.
    pub fn of(&self, fault: Fault) -> u64 {
        let found = self.faults.iter().find(|(known, _)| *known == fault);
        found.map_or(0, |(_, count)| *count)
    }

    /// Every fault that has not happened.
    pub fn missing(&self) -> Vec<Fault> {
        let mut missing = Fault::ALL.to_vec();
        missing.retain(|fault| self.of(*fault) == 0);
        missing
    }

    /// Takes in what happened elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (fault, count) in &other.faults {
            self.add_fault(*fault, *count);
        }
        self.delivered += other.delivered;
        self.steps += other.steps;
    }

    pub(super) fn note(&mut self, fault: Fault) {
        self.add_fault(fault, 1);
    }

    fn add_fault(&mut self, fault: Fault, more: u64) {
        match self.faults.iter_mut().find(|(known, _)| *known == fault) {
            Some((_, count)) => *count += more,
            None => self.faults.push((fault, more)),
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} steps, {} delivered", self.steps, self.delivered)?;
        for fault in Fault::ALL {
            write!(f, ", {fault:?} {}", self.of(fault))?;
        }
        Ok(())
    }
}
