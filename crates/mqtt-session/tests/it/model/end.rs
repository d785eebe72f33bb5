//! What both ends of an exchange have: a session with its journal, and packets that wait for it.

use mqtt_codec::{Delivery, PacketId, ReasonCode};
use mqtt_session::{Barrier, Link, MemoryJournal, NoJournal, Session};
use std::collections::VecDeque;
use std::collections::hash_map::DefaultHasher;
use std::fmt::Write;
use std::hash::{Hash, Hasher};

type Journaled = Session<u8, MemoryJournal<u8>>;

/// A packet, with the message it carries if it is a PUBLISH.
#[derive(Clone, Copy, Debug)]
pub(super) enum Packet {
    Publish(Delivery, u8),
    PubAck(PacketId, ReasonCode),
    PubRec(PacketId, ReasonCode),
    PubRel(PacketId),
    PubComp(PacketId),
}

/// Kinds of packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Kind {
    Publish,
    PubAck,
    PubRec,
    PubRel,
    PubComp,
}

impl Packet {
    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::Publish(..) => Kind::Publish,
            Self::PubAck(..) => Kind::PubAck,
            Self::PubRec(..) => Kind::PubRec,
            Self::PubRel(..) => Kind::PubRel,
            Self::PubComp(..) => Kind::PubComp,
        }
    }
}

/// What both ends have.
#[derive(Clone)]
pub(super) struct End {
    pub(super) session: Journaled,
    pub(super) link: Option<Link>,
    /// Encoded packets that wait for their barrier.
    out: VecDeque<(Barrier, Packet)>,
}

impl End {
    pub(super) fn new() -> Self {
        Self {
            session: Session::new().with_journal(MemoryJournal::new(usize::MAX)),
            link: None,
            out: VecDeque::new(),
        }
    }

    pub(super) fn appended(&self) -> Barrier {
        self.session.journal().appended()
    }

    pub(super) fn durable(&self) -> Barrier {
        self.session.journal().durable()
    }

    /// How many records have to become durable before `place` is.
    pub(super) fn ahead(&self, place: Barrier) -> u64 {
        place.0.saturating_sub(self.durable().0)
    }

    /// All that decides what can happen, without what counts from the beginning of time.
    pub(super) fn describe(&self, key: &mut Key) {
        let waits = self
            .out
            .iter()
            .map(|(at, packet)| (self.ahead(*at), packet));
        let journal = self.session.journal();
        let _ = write!(
            key,
            "{:?} {:?} {:?} {:?} {:?} {:?} {} {};",
            self.session.clone().with_journal(NoJournal),
            self.session.records(),
            self.link,
            waits.collect::<Vec<_>>(),
            journal.volatile().collect::<Vec<_>>(),
            journal.clone().into_session().records(),
            self.ahead(self.appended()),
            self.ahead(self.session.barrier()),
        );
    }

    pub(super) fn commit(&mut self) {
        let next = Barrier(self.durable().0 + 1);
        self.session.journal_mut().make_durable(next);
    }

    pub(super) fn write(&mut self, packet: Packet) {
        let barrier = self.session.barrier();
        self.out.push_back((barrier, packet));
    }

    pub(super) fn lose(&mut self) {
        self.link = None;
        self.out.clear();
    }

    pub(super) fn die(&mut self) {
        self.lose();
        self.session = self.session.journal().clone().into_session();
    }

    pub(super) fn connect(&mut self, receive_maximum: u16) {
        self.lose();
        self.link = Some(Link::new(receive_maximum, receive_maximum));
        self.session.begin_resume();
    }
}

/// What may leave does.
pub(super) fn leave(end: &mut End, wire: &mut VecDeque<Packet>, early: Option<Kind>) {
    let durable = end.durable();
    while let Some((barrier, packet)) = end.out.front().copied() {
        if barrier > durable && early != Some(packet.kind()) {
            return;
        }
        end.out.pop_front();
        if end.link.is_some() {
            wire.push_back(packet);
        }
    }
}

/// Text that is hashed twice.
pub(super) struct Key(DefaultHasher, DefaultHasher);

impl Key {
    pub(super) fn new() -> Self {
        let mut other = DefaultHasher::new();
        1u8.hash(&mut other);
        Self(DefaultHasher::new(), other)
    }

    pub(super) fn finish(&self) -> (u64, u64) {
        (self.0.finish(), self.1.finish())
    }
}

impl Write for Key {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.write(text.as_bytes());
        self.1.write(text.as_bytes());
        Ok(())
    }
}
