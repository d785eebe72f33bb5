//! What must come of everything the broker of a simulation has taken.

use mqtt_codec::{Packet, QoS, TopicFilter, TopicName};
use std::collections::{BTreeMap, BTreeSet};

/// One session, as long as it exists.
#[derive(Debug, Default)]
struct Session {
    connected: bool,
    expiry_s: u32,
    ends_at_ms: Option<u64>,
    subscriptions: BTreeMap<String, QoS>,
    /// QoS 2 messages of its client that are not released.
    unreleased: BTreeSet<u16>,
    /// Messages that were taken for it, by their number.
    owed: BTreeMap<u64, Owed>,
    /// The same for retained messages sent to new subscriptions.
    retained: BTreeMap<u64, Owed>,
    will: Option<LastWill>,
    /// The highest place of a message received, by publisher, topic and QoS.
    newest: BTreeMap<(u64, String, QoS), u64>,
}

#[derive(Clone, Debug)]
struct LastWill {
    number: u64,
    topic_name: String,
    qos: QoS,
    delay_s: u32,
    due_ms: u64,
}

/// Copies of one message for one session.
#[derive(Debug, Default)]
struct Owed {
    qos: QoS,
    /// When the broker took it, among all messages.
    place: u64,
    copies: u32,
    /// Receptions, and those that repeat none at QoS 1.
    received: u32,
    fresh: u32,
}

/// The copies of one message at one QoS that go to groups, one for each.
#[derive(Debug, Default)]
struct OfGroups {
    copies: Vec<GroupCopy>,
    /// Receptions, and those without DUP.
    received: usize,
    fresh: usize,
    /// A session ended that may have held one.
    moved: bool,
}

#[derive(Debug)]
struct GroupCopy {
    filter: String,
    /// It may have gone with a session, or with the last member.
    may_be_lost: bool,
}

pub(super) struct Model {
    sessions: Vec<Option<Session>>,
    /// What the next CONNACK of each client says.
    present: Vec<bool>,
    retained: BTreeMap<String, (u64, QoS)>,
    groups: BTreeMap<(u64, QoS), OfGroups>,
    places: u64,
}

impl Model {
    pub(super) fn new(clients: usize) -> Self {
        Self {
            sessions: (0..clients).map(|_| None).collect(),
            present: vec![false; clients],
            retained: BTreeMap::new(),
            groups: BTreeMap::new(),
            places: 0,
        }
    }

    pub(super) fn has_session(&self, at: usize) -> bool {
        self.sessions[at].is_some()
    }

    pub(super) fn session_count(&self) -> usize {
        self.sessions.iter().flatten().count()
    }

    pub(super) fn session_present(&self, at: usize) -> bool {
        self.present[at]
    }

    /// The broker takes a packet.
    pub(super) fn taken(&mut self, at: usize, packet: &Packet<'_>, now_ms: u64) {
        match packet {
            Packet::Connect(connect) => {
                let expiry_s = match connect.version.has_properties() {
                    true => connect.properties.session_expiry_interval_s().unwrap_or(0),
                    false if connect.clean_start => 0,
                    // As long as the broker keeps any.
                    false => 7 * 24 * 3600,
                };
                self.connect(at, connect.clean_start, expiry_s);
                let session = self.sessions[at].as_mut().unwrap();
                session.will = connect.will.map(|will| LastWill {
                    number: std::str::from_utf8(will.payload).unwrap().parse().unwrap(),
                    topic_name: will.topic_name.as_str().to_owned(),
                    qos: will.qos,
                    delay_s: will.properties.will_delay_interval_s().unwrap_or(0),
                    due_ms: now_ms,
                });
            }
            Packet::Publish(publish) => {
                let session = self.sessions[at].as_mut().unwrap();
                let qos = publish.delivery.qos();
                if let (QoS::ExactlyOnce, Some(packet_id)) = (qos, publish.delivery.packet_id())
                    && !session.unreleased.insert(packet_id.get())
                {
                    return;
                }
                let number = std::str::from_utf8(publish.payload)
                    .unwrap()
                    .parse()
                    .unwrap();
                let topic_name = publish.topic_name.unwrap().as_str();
                if publish.retain {
                    self.retained.insert(topic_name.to_owned(), (number, qos));
                }
                self.publish(topic_name, number, qos);
            }
            Packet::PubRel(ack) => {
                let session = self.sessions[at].as_mut().unwrap();
                session.unreleased.remove(&ack.packet_id.get());
            }
            Packet::Subscribe(subscribe) => {
                for (topic_filter, options) in subscribe.filters.iter() {
                    self.subscribe(at, topic_filter, options.qos);
                }
            }
            Packet::Unsubscribe(unsubscribe) => {
                for topic_filter in unsubscribe.filters.iter() {
                    let session = self.sessions[at].as_mut().unwrap();
                    if session
                        .subscriptions
                        .remove(topic_filter.as_str())
                        .is_some()
                    {
                        self.member_left(topic_filter.as_str());
                    }
                }
            }
            _ => {}
        }
    }

    fn connect(&mut self, at: usize, clean_start: bool, expiry_s: u32) {
        let resumed = self.sessions[at]
            .as_ref()
            .is_some_and(|session| !clean_start && session.expiry_s > 0);
        self.present[at] = resumed;
        if !resumed {
            self.end_session(at);
            self.sessions[at] = Some(Session::default());
        }
        let session = self.sessions[at].as_mut().unwrap();
        let will = session.will.take();
        let was_connected = std::mem::replace(&mut session.connected, true);
        session.ends_at_ms = None;
        session.expiry_s = expiry_s;
        // On a takeover a will without delay is due; one with a delay is not, as the session goes on.
        if let Some(will) = will.filter(|will| was_connected && will.delay_s == 0) {
            self.publish(&will.topic_name, will.number, will.qos);
        }
    }

    fn subscribe(&mut self, at: usize, topic_filter: TopicFilter<'_>, qos: QoS) {
        let session = self.sessions[at].as_mut().unwrap();
        session
            .subscriptions
            .insert(topic_filter.as_str().to_owned(), qos);
        if topic_filter.shared().is_some() {
            return;
        }
        for (topic_name, (number, published)) in &self.retained {
            if topic_filter.matches(TopicName::try_new(topic_name).unwrap()) {
                let owed = session.retained.entry(*number).or_default();
                // A copy for each subscription, at the QoS of that; the lowest is what is sure.
                let granted = qos.min(*published);
                owed.qos = if owed.copies == 0 {
                    granted
                } else {
                    granted.min(owed.qos)
                };
                owed.copies += 1;
            }
        }
    }

    fn publish(&mut self, topic_name: &str, number: u64, qos: QoS) {
        self.places += 1;
        let place = self.places;
        let name = TopicName::try_new(topic_name).unwrap();
        let mut groups: BTreeMap<String, QoS> = BTreeMap::new();
        for session in self.sessions.iter_mut().flatten() {
            let mut granted = None;
            for (filter, wanted) in &session.subscriptions {
                let parsed = TopicFilter::try_new(filter).unwrap();
                match parsed.shared() {
                    None if parsed.matches(name) => granted = granted.max(Some(*wanted)),
                    Some(shared) if shared.topic_filter.matches(name) => {
                        groups.insert(filter.clone(), *wanted);
                    }
                    _ => {}
                }
            }
            let Some(granted) = granted else { continue };
            // Nobody keeps QoS 0 for one who is not there.
            if granted.min(qos) == QoS::AtMostOnce && !session.connected {
                continue;
            }
            let owed = session.owed.entry(number).or_default();
            // A publisher without a session sends what may have been taken as new.
            owed.place = place;
            let granted = granted.min(qos);
            // Subscribed otherwise by then, it owes each copy at its own QoS; the lowest is what is sure.
            owed.qos = match owed.copies {
                0 => granted,
                _ => granted.min(owed.qos),
            };
            owed.copies += 1;
        }
        for (filter, wanted) in groups {
            let qos = wanted.min(qos);
            let of_groups = self.groups.entry((number, qos)).or_default();
            of_groups.copies.push(GroupCopy {
                filter,
                may_be_lost: qos == QoS::AtMostOnce,
            });
        }
    }

    /// A client has got a message.
    pub(super) fn received(
        &mut self,
        at: usize,
        topic_name: &str,
        number: u64,
        qos: QoS,
        retain: bool,
        dup: bool,
    ) {
        if topic_name.starts_with("s/") {
            return self.received_by_group(at, number, qos, dup);
        }
        let session = self.sessions[at].as_mut().expect("a session to receive in");
        let of = if retain {
            &mut session.retained
        } else {
            &mut session.owed
        };
        let owed = of.get_mut(&number);
        let owed =
            owed.unwrap_or_else(|| panic!("client {at} is not owed {number} on {topic_name}"));
        owed.received += 1;
        if !retain && owed.copies == 1 {
            assert_eq!(qos, owed.qos, "QoS of {number} for client {at}");
        }
        let repeats = qos == QoS::AtLeastOnce && dup;
        owed.fresh += u32::from(!repeats);
        assert!(
            owed.fresh <= owed.copies,
            "client {at} got {number} on {topic_name} at {qos:?} too often: {owed:?}"
        );
        if retain || owed.received > 1 || owed.copies > 1 {
            return;
        }
        let key = (number % 100, topic_name.to_owned(), qos);
        let newest = session.newest.entry(key).or_default();
        assert!(
            owed.place > *newest,
            "client {at} got {number} on {topic_name} too late"
        );
        *newest = owed.place;
    }

    fn received_by_group(&mut self, at: usize, number: u64, qos: QoS, dup: bool) {
        let all = self.groups.get_mut(&(number, qos));
        let all =
            all.unwrap_or_else(|| panic!("client {at} is in no group for {number} at {qos:?}"));
        all.received += 1;
        all.fresh += usize::from(!dup);
        let count = match qos {
            QoS::AtLeastOnce => all.fresh,
            QoS::AtMostOnce | QoS::ExactlyOnce => all.received,
        };
        let may_repeat = qos == QoS::AtLeastOnce && all.moved;
        assert!(
            count <= all.copies.len() || may_repeat,
            "one of each group: {number} {all:?}"
        );
    }

    /// A connection is gone; `normally` after a DISCONNECT that leaves no will.
    pub(super) fn lost(&mut self, at: usize, normally: bool, now_ms: u64) {
        let session = self.sessions[at].as_mut().unwrap();
        session.connected = false;
        if normally {
            session.will = None;
        }
        let expiry_s = session.expiry_s;
        session.ends_at_ms = Some(now_ms + u64::from(expiry_s) * 1000);
        if expiry_s == 0 {
            self.end_session(at);
            self.sessions[at] = None;
            return;
        }
        let will = session.will.as_mut();
        if let Some(will) = will {
            will.due_ms = now_ms + u64::from(will.delay_s) * 1000;
        }
        if let Some(will) = session.will.take_if(|will| will.delay_s == 0) {
            self.publish(&will.topic_name, will.number, will.qos);
        }
    }

    pub(super) fn tick(&mut self, now_ms: u64) {
        for at in 0..self.sessions.len() {
            let Some(session) = self.sessions[at]
                .as_mut()
                .filter(|session| !session.connected)
            else {
                continue;
            };
            let due = session.will.take_if(|will| will.due_ms <= now_ms);
            let ends = session.ends_at_ms.is_some_and(|at_ms| at_ms <= now_ms);
            if let Some(will) = due {
                self.publish(&will.topic_name, will.number, will.qos);
            }
            if ends {
                self.end_session(at);
                self.sessions[at] = None;
            }
        }
    }

    /// Nothing of a session stays but its will, which is published.
    fn end_session(&mut self, at: usize) {
        let Some(session) = self.sessions[at].take() else {
            return;
        };
        for filter in session.subscriptions.keys() {
            self.member_left(filter);
        }
        // It may have held messages of groups it has left before.
        let mut groups = std::mem::take(&mut self.groups);
        for ((_, qos), all) in &mut groups {
            all.moved = true;
            for copy in &mut all.copies {
                copy.may_be_lost |= *qos == QoS::ExactlyOnce || !self.has_members(&copy.filter);
            }
        }
        self.groups = groups;
        if let Some(will) = session.will {
            self.publish(&will.topic_name, will.number, will.qos);
        }
    }

    fn has_members(&self, filter: &str) -> bool {
        let mut sessions = self.sessions.iter().flatten();
        sessions.any(|session| session.subscriptions.contains_key(filter))
    }

    fn member_left(&mut self, filter: &str) {
        if self.has_members(filter) {
            return;
        }
        for copy in self.groups.values_mut().flat_map(|all| &mut all.copies) {
            copy.may_be_lost |= copy.filter == filter;
        }
    }

    /// Everything has arrived: nothing above QoS 0 may be missing.
    pub(super) fn check_end(&self) {
        for (at, session) in self.sessions.iter().enumerate() {
            let Some(session) = session else { continue };
            for (kind, all) in [
                ("message", &session.owed),
                ("retained message", &session.retained),
            ] {
                for (number, owed) in all {
                    assert!(
                        owed.qos == QoS::AtMostOnce || owed.received >= owed.copies,
                        "client {at} lacks {kind} {number}: {owed:?}"
                    );
                }
            }
        }
        for (number, all) in &self.groups {
            let owed = all.copies.iter().filter(|copy| !copy.may_be_lost).count();
            assert!(all.received >= owed, "a group lacks {number:?}: {all:?}");
        }
    }
}
