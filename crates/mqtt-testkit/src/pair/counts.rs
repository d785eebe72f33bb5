//! What happened in simulations, so that a test can say that everything did.

use std::fmt;

/// Declares [`Fault`] and the list of all of them.
macro_rules! faults {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// Something that makes a protocol difficult.
        #[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum Fault {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Fault {
            /// All of them.
            pub const ALL: [Self; FAULTS] = [$(Self::$name,)+];
        }

        /// How many there are.
        const FAULTS: usize = [$(stringify!($name),)+].len();
    };
}

faults! {
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
    /// The client came on another connection while the server had the old one.
    TakenOver,
    /// The new connection has a Receive Maximum below what is in flight.
    SmallerWindow,
    /// The new connection has a larger Receive Maximum.
    LargerWindow,
    /// PUBLISH had to wait for the send quota.
    WindowFull,
    /// PUBLISH was too large to be sent.
    TooLarge,
    /// PUBLISH was sent, and was too large to be sent again.
    TooLargeAgain,
    /// A message expired before it was sent.
    MessageExpired,
    /// A message passed its expiry on its way.
    ExpiredOnItsWay,
    /// PUBLISH was sent again.
    PublishAgain,
    /// PUBREL was sent again.
    PubRelAgain,
    /// A QoS 2 message came again and was known.
    KnownDuplicate,
    /// A QoS 2 message came again while the application still had it.
    HeldDuplicate,
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
    /// The session expired while there was no connection.
    SessionExpired,
    /// A journal refused a message.
    JournalFull,
    /// The process of the client died.
    ClientCrash,
    /// The process of the server died.
    ServerCrash,
    /// It died before the beginning of a flow was durable.
    CrashBeforeBegun,
    /// It died before it was durable that PUBREC had come.
    CrashBeforeReleased,
    /// It died before the end of a flow was durable.
    CrashBeforeEnded,
    /// It died before it was durable that a QoS 2 message was taken.
    CrashBeforeReceived,
    /// It died before it was durable that a received identifier is free.
    CrashBeforeForgotten,
    /// It died with everything durable.
    CrashAfterDurable,
    /// It died with packets whose records were durable and which had not left.
    CrashBeforeWrite,
}

/// How often each [`Fault`] happened, and how much was done in spite of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Counts {
    faults: [u64; FAULTS],
    /// Messages handed to an application, repetitions included.
    pub delivered: u64,
    /// Steps of the simulation.
    pub steps: u64,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            faults: [0; FAULTS],
            delivered: 0,
            steps: 0,
        }
    }
}

impl Counts {
    /// How often `fault` happened.
    pub fn of(&self, fault: Fault) -> u64 {
        self.faults.get(place(fault)).copied().unwrap_or(0)
    }

    /// Every fault that happened less than `least` times.
    pub fn below(&self, least: u64) -> Vec<Fault> {
        let mut rare = Fault::ALL.to_vec();
        rare.retain(|fault| self.of(*fault) < least);
        rare
    }

    /// Takes in what happened elsewhere.
    pub fn add(&mut self, other: &Self) {
        for (count, more) in self.faults.iter_mut().zip(other.faults) {
            *count += more;
        }
        self.delivered += other.delivered;
        self.steps += other.steps;
    }

    pub(super) fn note(&mut self, fault: Fault) {
        if let Some(count) = self.faults.get_mut(place(fault)) {
            *count += 1;
        }
    }
}

const fn place(fault: Fault) -> usize {
    fault as usize
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
