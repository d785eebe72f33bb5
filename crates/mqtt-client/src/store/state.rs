//! What all records of a store add up to.

use super::record::{StoreRecord, Summary};
use mqtt_codec::{PacketId, QoS};
use mqtt_log::Position;
use mqtt_session::{Change, Record, Session};
use std::collections::{BTreeMap, BTreeSet};

/// Where the record of a message stands, and its length in bytes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Placed {
    pub(super) position: Position,
    pub(super) len: usize,
}

impl Placed {
    /// For a record that is no message, or is not there.
    pub(super) const NOWHERE: Self = Self {
        position: Position::ZERO,
        len: 0,
    };
}

/// What all records of a store add up to.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) client_id: String,
    pub(super) next_serial: u64,
    /// Whether a server has accepted the session, and if so whether it was to keep it.
    pub(super) established: Option<bool>,
    /// The flows, with serials for messages.
    pub(super) session: Session<u64>,
    /// The messages of open flows.
    open: BTreeMap<PacketId, u64>,
    /// Messages that have not ended.
    pub(super) live: BTreeMap<u64, Placed>,
    /// Those of them whose flow ended with its session, until they begin another one.
    pub(super) lost: BTreeSet<u64>,
}

impl State {
    /// Takes one record in; the place of a message that has ended by it comes back.
    ///
    /// `placed`: where the record stands, for one of a message.
    pub(super) fn apply(&mut self, record: StoreRecord<'_>, placed: Placed) -> Option<Placed> {
        match record {
            StoreRecord::Message { serial, .. } => {
                self.next_serial = self.next_serial.max(serial.saturating_add(1));
                self.live.insert(serial, placed);
                None
            }
            StoreRecord::Begun {
                packet_id,
                qos,
                serial,
            } => {
                self.begin(packet_id, qos, serial);
                None
            }
            StoreRecord::Change(change) => self.change(change),
            StoreRecord::Dropped { serial } => self.end(serial),
            StoreRecord::Established {
                outlives_connection,
            } => {
                self.established = Some(outlives_connection);
                None
            }
            StoreRecord::Summary(summary) => {
                self.replace(summary);
                None
            }
        }
    }

    /// The same in one record.
    pub(super) fn summary(&self) -> Summary {
        let session = self.session.records().into_iter().map(Record::cloned);
        Summary {
            client_id: self.client_id.clone(),
            next_serial: self.next_serial,
            established: self.established,
            session: session.collect(),
            live: self.live.keys().copied().collect(),
            lost: self.lost.iter().copied().collect(),
        }
    }

    /// Messages that have not ended and have no open flow, in the order they were accepted.
    pub(super) fn waiting(&self) -> impl Iterator<Item = u64> {
        let open: BTreeSet<u64> = self.open.values().copied().collect();
        let live = self.live.keys().copied();
        live.filter(move |serial| !open.contains(serial))
    }

    fn begin(&mut self, packet_id: PacketId, qos: QoS, serial: u64) {
        self.lost.remove(&serial);
        self.open.insert(packet_id, serial);
        self.replay(Record::Begun {
            packet_id,
            qos,
            message: serial,
        });
    }

    fn change(&mut self, change: Change) -> Option<Placed> {
        self.replay(Record::Change(change));
        match change {
            Change::Ended(packet_id) => {
                let serial = self.open.remove(&packet_id)?;
                self.end(serial)
            }
            Change::Cleared => {
                let open = std::mem::take(&mut self.open).into_values();
                let live = &self.live;
                self.lost
                    .extend(open.filter(|serial| live.contains_key(serial)));
                None
            }
            Change::Released(_)
            | Change::Received(_)
            | Change::Forgotten(_)
            | Change::LastPacketId(_) => None,
        }
    }

    fn end(&mut self, serial: u64) -> Option<Placed> {
        self.lost.remove(&serial);
        self.live.remove(&serial)
    }

    fn replay(&mut self, record: Record<u64>) {
        // The heap has room for all.
        let _ = self.session.replay(record);
    }

    fn replace(&mut self, summary: Summary) {
        self.client_id = summary.client_id;
        self.next_serial = summary.next_serial;
        self.established = summary.established;
        self.session = Session::new();
        self.open.clear();
        let before = std::mem::take(&mut self.live);
        // One whose record is gone has ended since then.
        let place = |serial| before.get(serial).copied().unwrap_or(Placed::NOWHERE);
        let live = summary.live.iter();
        self.live = live.map(|serial| (*serial, place(serial))).collect();
        for record in summary.session {
            match record {
                Record::Begun {
                    packet_id,
                    qos,
                    message,
                } => self.begin(packet_id, qos, message),
                record @ Record::Change(_) => self.replay(record),
            }
        }
        self.lost = summary.lost.into_iter().collect();
    }
}
