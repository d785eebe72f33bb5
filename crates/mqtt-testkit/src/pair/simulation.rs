//! The simulation itself: what happens in each step, and what has to hold afterwards.

use super::counts::{Counts, Fault};
use super::end::{Around, Connection, End, Item};
use super::referee::{Referees, Verdict, check};
use super::rng::Rng;
use super::wire::Wire;
use super::{Both, Plan, Side, TOPICS};
use mqtt_codec::{PacketId, QoS};
use mqtt_session::{AckQueue, Change, Link, MemoryJournal, Record, Session, WriteGates};

/// How long bytes are usually under way, at most; in milliseconds.
const LATENCY_MS: u16 = 40;
/// How long they are in bad moments; in milliseconds.
const DELAY_MS: u16 = 5_000;
/// How long nothing happens now and then, at most; in milliseconds.
const SLEEP_MS: u16 = 20_000;
/// The Session Expiry Interval of sessions that expire, in milliseconds.
const SESSION_EXPIRY_MS: u64 = 15_000;
/// The smallest Maximum Packet Size of an end: room for every answer. In bytes.
const PACKET_LEN_MIN: u16 = 60;
/// The largest, with room for every message. In bytes.
const PACKET_LEN_MAX: u16 = 400;

pub(super) struct Pair {
    plan: Plan,
    rng: Rng,
    now_ms: u64,
    ends: Both<End>,
    /// By the side that writes.
    wires: Both<Wire>,
    /// By the side that publishes.
    referees: Referees,
    /// What the side accepts unfinished.
    receive_maximum: Both<u16>,
    /// The Maximum Packet Size of the side, in bytes.
    packet_len_max: Both<u32>,
    /// What its peer accepted on the connection before.
    window_before: Both<u16>,
    /// Messages still to be published.
    unpublished: Both<u32>,
    /// Whether the side commits at once, and so never has anything to wait for.
    is_eager: Both<bool>,
    session_expires: bool,
    /// When the server lost its connection.
    connection_lost_ms: u64,
    next_request: u32,
    /// Steps until identifiers are lapped the long way; never when it is past the rough steps.
    lap_in: usize,
    counts: Counts,
    trace: Option<Vec<String>>,
}

impl Pair {
    pub(super) fn new(seed: u64, plan: &Plan, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let client = End::new(Side::Client, session(&mut rng));
        let server = End::new(Side::Server, session(&mut rng));
        // It costs as much as several simulations, so few seeds do it.
        let rough_steps = usize::try_from(plan.rough_steps).unwrap_or(0);
        let lap_in = match rng.below(400) {
            0 => rng.below(rough_steps),
            _ => usize::MAX,
        };
        let is_eager = Both {
            client: rng.chance(30),
            server: rng.chance(30),
        };
        let session_expires = rng.chance(50);
        Self {
            plan: *plan,
            rng,
            now_ms: 0,
            ends: Both { client, server },
            wires: Both::default(),
            referees: Both::default(),
            receive_maximum: Both::default(),
            packet_len_max: Both::default(),
            window_before: Both::default(),
            unpublished: Both {
                client: plan.messages,
                server: plan.messages,
            },
            is_eager,
            session_expires,
            connection_lost_ms: 0,
            next_request: 0,
            lap_in,
            counts: Counts::default(),
            trace: trace.then(Vec::new),
        }
    }

    pub(super) fn into_counts(self) -> Counts {
        self.counts
    }

    pub(super) fn into_trace(self) -> Vec<String> {
        self.trace.unwrap_or_default()
    }

    /// The step and the rule that is broken.
    pub(super) fn run(&mut self) -> Result<(), (u32, String)> {
        for step in 0..self.plan.steps_max {
            self.counts.steps += 1;
            let is_rough = step < self.plan.rough_steps;
            let taken = match step == self.plan.rough_steps {
                true => self.end_faults(),
                false => self.step(is_rough),
            };
            let taken = taken.and_then(|()| self.check_now());
            taken.map_err(|what| (step, what))?;
            if !is_rough && self.is_at_rest() {
                return self.check_at_rest().map_err(|what| (step, what));
            }
        }
        Err((self.plan.steps_max, "it does not come to rest".to_owned()))
    }

    fn step(&mut self, is_rough: bool) -> Verdict {
        let side = match self.rng.chance(50) {
            true => Side::Client,
            false => Side::Server,
        };
        self.lap_in = self.lap_in.saturating_sub(1);
        if self.lap_in == 0 {
            self.lap_in = usize::MAX;
            return self.with_end(side, End::lap_slowly);
        }
        if is_rough && self.rng.chance(8) {
            return self.fault(side);
        }
        let is_open = self.wires.client.is_open();
        match self.rng.below(100) {
            0..20 if !is_open => self.reconnect(is_rough),
            20..28 if !is_open => {
                self.notice(side);
                Ok(())
            }
            0..18 => self.publish(side),
            18..36 => self.with_end(side, End::finish_one),
            36..39 => self.request(),
            39..55 => self.with_end(side, |end, around| {
                end.commit(false, around);
                Ok(())
            }),
            _ => self.deliver(side),
        }
    }

    /// Something goes wrong.
    fn fault(&mut self, side: Side) -> Verdict {
        match self.rng.below(100) {
            0..20 => {
                self.cut();
                Ok(())
            }
            20..50 => self.crash(side),
            50..65 => {
                self.take_over();
                Ok(())
            }
            65..80 => {
                self.now_ms += u64::from(self.rng.between(1_000, SLEEP_MS));
                Ok(())
            }
            80..95 => self.with_end(side, |end, around| {
                end.journal_is_full = !end.journal_is_full;
                let open_max = match end.journal_is_full {
                    true => 0,
                    false => usize::MAX,
                };
                end.session.journal_mut().set_open_max(open_max);
                around.say(end.side, &format!("journal full: {}", end.journal_is_full));
                Ok(())
            }),
            _ => self.with_end(side, |end, around| {
                end.lap(around);
                Ok(())
            }),
        }
    }

    /// From here on everything can come to rest.
    fn end_faults(&mut self) -> Verdict {
        for side in Side::BOTH {
            self.with_end(side, |end, around| {
                end.journal_is_full = false;
                end.session.journal_mut().set_open_max(usize::MAX);
                end.send_waiting(around)
            })?;
        }
        Ok(())
    }

    /// The application of `side` publishes its next message, if there is one.
    fn publish(&mut self, side: Side) -> Verdict {
        let unpublished = self.unpublished.of(side);
        let Some(left) = unpublished.checked_sub(1) else {
            return Ok(());
        };
        *unpublished = left;
        let qos = match self.rng.below(5) {
            0 => QoS::AtMostOnce,
            1 | 2 => QoS::AtLeastOnce,
            _ => QoS::ExactlyOnce,
        };
        let topic = u8::try_from(self.rng.below(TOPICS.len())).unwrap_or(0);
        let padding = match self.rng.chance(10) {
            true => self.rng.between(100, 300),
            false => self.rng.between(0, 20),
        };
        let expires_ms = match self.rng.chance(30) {
            true => self.now_ms + u64::from(self.rng.between(1_000, SLEEP_MS)),
            false => u64::MAX,
        };
        let item = Item {
            number: self.referees.of(side).fates.published(qos, topic),
            topic,
            qos,
            padding,
            expires_ms,
        };
        self.with_end(side, |end, around| end.publish(item, around))
    }

    fn request(&mut self) -> Verdict {
        self.next_request += 1;
        let item = Item::request(self.next_request);
        self.with_end(Side::Client, |end, around| end.request(item, around))
    }

    /// Some of the bytes that `side` wrote arrive; the clock moves on when they are late.
    fn deliver(&mut self, side: Side) -> Verdict {
        let wire = self.wires.of(side);
        let Some(due_ms) = wire.next_due_ms() else {
            return Ok(());
        };
        self.now_ms = self.now_ms.max(due_ms);
        let len_max = match self.rng.chance(30) {
            true => 1 + self.rng.below(8),
            false => 1 + self.rng.below(600),
        };
        let bytes = self.wires.of(side).take(self.now_ms, len_max);
        self.with_end(side.other(), |end, around| end.handle_bytes(&bytes, around))
    }

    /// The connection is gone, and with it some of the bytes under way.
    fn cut(&mut self) {
        if !self.wires.client.is_open() {
            return;
        }
        self.note("the connection is cut");
        for side in Side::BOTH {
            let keep = self.rng.below(self.wires.of(side).len() + 1);
            if self.wires.of(side).cut(keep) > 0 {
                self.counts.note(Fault::BytesLost);
            }
        }
        if self.rng.chance(30) {
            self.notice(Side::Client);
            self.notice(Side::Server);
        }
    }

    /// The client gives its connection up for another one; the server reads on until that comes.
    fn take_over(&mut self) {
        if !self.wires.client.is_open() {
            return;
        }
        self.note("the client turns to another connection");
        self.notice(Side::Client);
        self.wires.server.cut(0);
        let all = self.wires.client.len();
        self.wires.client.cut(all);
    }

    /// The process of `side` dies; the other end goes on.
    fn crash(&mut self, side: Side) -> Verdict {
        self.counts.note(match side {
            Side::Client => Fault::ClientCrash,
            Side::Server => Fault::ServerCrash,
        });
        self.with_end(side, End::crash)?;
        if side == Side::Server {
            self.connection_lost_ms = self.now_ms;
        }
        for side in Side::BOTH {
            let keep = self.rng.below(self.wires.of(side).len() + 1);
            self.wires.of(side).cut(keep);
        }
        Ok(())
    }

    /// `side` learns that the connection is gone.
    fn notice(&mut self, side: Side) {
        let end = self.ends.of(side);
        if end.connection.is_none() {
            return;
        }
        end.disconnect(&mut self.counts);
        self.referees.of(side).connection_lost();
        if side == Side::Server {
            self.connection_lost_ms = self.now_ms;
        }
        self.note(&format!("{side:?} notices"));
    }

    fn reconnect(&mut self, is_rough: bool) -> Verdict {
        if self.ends.server.connection.is_some() {
            self.counts.note(Fault::TakenOver);
        }
        for side in Side::BOTH {
            self.notice(side);
            self.wires.of(side).open();
        }
        let away_ms = self.now_ms - self.connection_lost_ms;
        let expired = is_rough && self.session_expires && away_ms > SESSION_EXPIRY_MS;
        let session_lost = expired || is_rough && self.rng.chance(4);
        self.note(match session_lost {
            true => "a new connection, the session is lost",
            false => "a new connection",
        });
        if expired {
            self.counts.note(Fault::SessionExpired);
        } else if session_lost {
            self.counts.note(Fault::SessionLost);
        }
        for side in Side::BOTH {
            let most = if self.rng.chance(50) { 3 } else { 20 };
            *self.receive_maximum.of(side) = self.rng.between(1, most);
            *self.packet_len_max.of(side) = match self.rng.chance(30) && is_rough {
                true => u32::from(self.rng.between(PACKET_LEN_MIN, PACKET_LEN_MAX)),
                false => u32::from(PACKET_LEN_MAX),
            };
        }
        for side in Side::BOTH {
            self.connect(side, session_lost)?;
        }
        for side in Side::BOTH {
            self.with_end(side, End::send_waiting)?;
        }
        Ok(())
    }

    fn connect(&mut self, side: Side, session_lost: bool) -> Verdict {
        let peer = *self.receive_maximum.of(side.other());
        // Before v5 nobody can be told of a limit, but everybody may keep to one.
        let (own, own_len_max, peer_len_max) = match self.plan.version.has_properties() {
            true => (
                *self.receive_maximum.of(side),
                *self.packet_len_max.of(side),
                *self.packet_len_max.of(side.other()),
            ),
            false => (u16::MAX, u32::MAX, u32::MAX),
        };
        let end = self.ends.of(side);
        end.connection = Some(Connection {
            link: Link::new(peer, own),
            answers: AckQueue::new(),
            inbound: Vec::new(),
            out: Vec::new(),
            gates: WriteGates::new(),
            own_len_max,
            peer_len_max,
        });
        if session_lost {
            return self.begin_anew(side, peer);
        }
        let inflight = end.session.inflight();
        end.session.begin_resume();
        let before = std::mem::replace(self.window_before.of(side), peer);
        if inflight > usize::from(peer) {
            self.counts.note(Fault::SmallerWindow);
        } else if before > 0 && peer > before {
            self.counts.note(Fault::LargerWindow);
        }
        self.referees.of(side).resumed(peer);
        Ok(())
    }

    /// The session of before has ended at both ends.
    ///
    /// That is durable at both before anything else happens: an end that forgot it would take up a session that the
    /// other began anew, and no packet could tell it so.
    fn begin_anew(&mut self, side: Side, peer: u16) -> Verdict {
        let end = self.ends.of(side);
        let given_back: Vec<u32> = end.session.clear().map(|item| item.number).collect();
        end.held.clear();
        let at = end.appended();
        self.referees.of(side).began_anew(peer, &given_back, at)?;
        self.with_end(side, |end, around| {
            end.commit(true, around);
            Ok(())
        })
    }

    /// Lets an end act and sends what it may write.
    fn with_end(
        &mut self,
        side: Side,
        act: impl FnOnce(&mut End, &mut Around<'_>) -> Verdict,
    ) -> Verdict {
        let is_eager = *self.is_eager.of(side);
        let end = self.ends.of(side);
        let mut around = Around {
            version: self.plan.version,
            now_ms: self.now_ms,
            rng: &mut self.rng,
            referees: &mut self.referees,
            counts: &mut self.counts,
            trace: self.trace.as_mut(),
        };
        act(end, &mut around)?;
        if is_eager {
            end.commit(true, &mut around);
        }
        if !is_eager && self.rng.chance(20) {
            return Ok(());
        }
        let bytes = end.take_output();
        if bytes.is_empty() {
            return Ok(());
        }
        let is_late = self.rng.chance(3);
        let latency_ms = match is_late {
            true => DELAY_MS,
            false => self.rng.between(0, LATENCY_MS),
        };
        let wire = self.wires.of(side);
        if !wire.is_open() {
            self.counts.note(Fault::HalfOpen);
        } else if is_late {
            self.counts.note(Fault::Delay);
        }
        wire.push(self.now_ms + u64::from(latency_ms), bytes);
        Ok(())
    }

    /// What has to hold at any moment.
    fn check_now(&mut self) -> Verdict {
        for side in Side::BOTH {
            let referee = self.referees.of(side);
            let (sent, open) = (referee.sent_unacknowledged(), referee.open_len());
            let received = self.referees.of(side.other()).received_unfinished();
            let end = self.ends.of(side);
            let inflight = end.session.inflight();
            check(inflight == open, || {
                format!("{side:?} keeps {inflight} flows of {open}")
            })?;
            let unreleased = end.session.unreleased().len();
            if let Some(Connection { link, answers, .. }) = &end.connection {
                let quota = link.send_quota();
                let used = quota.receive_maximum() - quota.left();
                check(used == sent, || {
                    format!("{side:?} counts {used} sent of {sent}")
                })?;
                let unfinished = link.unfinished();
                check(unfinished == received, || {
                    format!("{side:?} counts {unfinished} received of {received}")
                })?;
                check(answers.len() <= usize::from(received), || {
                    format!("{side:?} keeps {} answers to {received}", answers.len())
                })?;
            }
            let journal = end.session.journal();
            let (kept, volatile) = (journal.len(), end.appended() - journal.durable().0);
            // What was open when it was summed up is at most what both directions can have open at once.
            let most = volatile.saturating_add(64 + 4 * u64::from(self.plan.messages) * 2 + 8);
            check(u64::try_from(kept).is_ok_and(|kept| kept <= most), || {
                format!("{side:?} keeps {kept} records, {volatile} of them not durable")
            })?;
            let referee = self.referees.of(side.other());
            let mut ids = end.session.unreleased().iter();
            let forgotten = ids.find(|packet_id| !referee.is_open_qos_2(*packet_id));
            check(forgotten.is_none() || unreleased == 0, || {
                format!("{side:?} remembers {forgotten:?}, which has ended")
            })?;
        }
        Ok(())
    }

    fn is_at_rest(&mut self) -> bool {
        Side::BOTH.into_iter().all(|side| {
            let end = self.ends.of(side);
            let is_done = end.waiting.is_empty() && end.session.inflight() == 0;
            let connection = end.connection.as_ref();
            let is_silent = connection.is_some_and(|connection| {
                connection.answers.is_empty() && connection.out.is_empty()
            });
            let has_finished = end.held.is_empty();
            let all_published = *self.unpublished.of(side) == 0;
            let is_quiet = self.wires.of(side).next_due_ms().is_none();
            is_done && is_silent && has_finished && all_published && is_quiet
        })
    }

    fn check_at_rest(&mut self) -> Verdict {
        for side in Side::BOTH {
            self.referees.of(side).at_rest()?;
            let session = &self.ends.of(side).session;
            check(
                session.unreleased().is_empty() && !session.is_resuming(),
                || format!("{side:?} is left with {session:?}"),
            )?;
        }
        Ok(())
    }

    fn note(&mut self, what: &str) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{} ms: {what}", self.now_ms));
        }
    }
}

/// An empty session, sometimes one that is about to give out the last identifiers.
fn session(rng: &mut Rng) -> Session<Item, MemoryJournal<Item>> {
    let mut session = Session::new().with_journal(MemoryJournal::new(usize::MAX));
    if rng.chance(25) {
        let last = PacketId::new(u16::MAX - 10).unwrap_or(PacketId::MAX);
        let _ = session.replay(Record::Change(Change::LastPacketId(last)));
    }
    session
}
