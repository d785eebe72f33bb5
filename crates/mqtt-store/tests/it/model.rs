//! What a store has to remember, kept the plain way, and random steps that both take.

use mqtt_store::{
    MessageId, Recipient, Record, Recovered, RecoveredSubscription, SessionId, Store, StoreFull,
    StoredMessage,
};
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

/// A message for a session.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Queued {
    qos: u8,
    retain: bool,
    ids: Vec<u32>,
    shared_filter: Option<String>,
    pub(crate) block: Vec<u8>,
}

#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Session {
    pub(crate) client_id: String,
    expiry_s: u32,
    was_connected: bool,
    at_ms: u64,
    will: Option<(u32, Option<u32>, Vec<u8>)>,
    subscriptions: BTreeMap<String, (u8, Option<u32>)>,
    received: BTreeSet<NonZeroU16>,
    pub(crate) queue: BTreeMap<MessageId, Queued>,
    begun: Vec<(MessageId, NonZeroU16)>,
    confirmed: Vec<(MessageId, NonZeroU16)>,
}

/// Everything a store has to remember.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Model {
    pub(crate) sessions: BTreeMap<SessionId, Session>,
    retained: BTreeMap<String, Vec<u8>>,
    delayed: BTreeMap<u64, (u64, String, Vec<u8>)>,
    pub(crate) last_session: u64,
    last_delayed: u64,
}

/// Numbers from a seed.
#[derive(Debug)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound.max(1)
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.below(2) == 1
    }

    fn small(&mut self) -> u32 {
        u32::try_from(self.below(100)).unwrap()
    }

    fn packet_id(&mut self) -> NonZeroU16 {
        NonZeroU16::new(u16::try_from(1 + self.below(30)).unwrap()).unwrap()
    }

    fn pick<T: Clone>(&mut self, all: impl IntoIterator<Item = T>) -> Option<T> {
        let all: Vec<T> = all.into_iter().collect();
        match all.len() {
            0 => None,
            len => Some(all[usize::try_from(self.below(len as u64)).unwrap()].clone()),
        }
    }

    fn message(&mut self) -> StoredMessage<'static> {
        let topic = format!("t/{}", self.below(5));
        let mut block = topic.clone().into_bytes();
        block.resize(
            block.len() + usize::try_from(self.below(200)).unwrap(),
            b'x',
        );
        block.extend_from_slice(&self.below(u64::MAX).to_le_bytes());
        StoredMessage {
            qos: 2,
            retain: false,
            is_of_will: false,
            expires_at_ms: self.flag().then_some(77),
            publisher: self.below(3),
            publisher_tag: self.below(2),
            topic_len: u32::try_from(topic.len()).unwrap(),
            properties_len: 0,
            block: block.into(),
        }
    }
}

fn put(store: &Store, record: &Record<'_>) {
    retry(|| store.append(record));
}

/// The small buffer of a test may be full for a moment.
fn retry<T>(append: impl Fn() -> Result<T, StoreFull>) -> T {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match append() {
            Ok(done) => return done,
            Err(StoreFull) => assert!(Instant::now() < deadline, "no room"),
        }
        std::thread::yield_now();
    }
}

impl Model {
    /// All of it in words, payloads by length and sum.
    pub(crate) fn words(&self) -> String {
        let block = |block: &[u8]| {
            let sum: u64 = block.iter().map(|byte| u64::from(*byte)).sum();
            format!("{} bytes, sum {sum}", block.len())
        };
        let mut words = String::new();
        for (id, one) in &self.sessions {
            let will = one.will.as_ref();
            let will = will.map(|(delay_s, expiry_s, text)| (delay_s, expiry_s, block(text)));
            let queue: Vec<_> = one
                .queue
                .iter()
                .map(|(id, queued)| {
                    let Queued {
                        qos,
                        retain,
                        ids,
                        shared_filter,
                        block: text,
                    } = queued;
                    format!(
                        "\n  {} {qos} {retain} {ids:?} {shared_filter:?} {}",
                        id.0,
                        block(text)
                    )
                })
                .collect();
            words += &format!(
                "{} {} {} {} {} {will:?}\n {:?}\n {:?}\n {:?}\n {:?}{}\n",
                id.0,
                one.client_id,
                one.expiry_s,
                one.was_connected,
                one.at_ms,
                one.subscriptions,
                one.received,
                one.begun,
                one.confirmed,
                queue.concat(),
            );
        }
        for (topic, text) in &self.retained {
            words += &format!("{topic}: {}\n", block(text));
        }
        for (id, (due_ms, publisher, text)) in &self.delayed {
            words += &format!("{id} {due_ms} {publisher}: {}\n", block(text));
        }
        words
    }

    /// What a recovery has found, in the same form.
    pub(crate) fn of(recovered: Recovered, store: &Store) -> Self {
        let mut model = Self {
            last_session: recovered.last_session.0,
            ..Self::default()
        };
        for message in recovered.retained {
            let topic = message.topic_name().to_owned();
            assert_eq!(model.retained.insert(topic, message.block.into()), None);
        }
        for delayed in recovered.delayed {
            let value = (
                delayed.due_ms,
                delayed.publisher_id,
                delayed.message.block.into(),
            );
            assert_eq!(model.delayed.insert(delayed.id, value), None);
            model.last_delayed = model.last_delayed.max(delayed.id);
        }
        for found in recovered.sessions {
            let mut session = Session {
                client_id: found.client_id,
                expiry_s: found.expiry_s,
                was_connected: found.was_connected,
                at_ms: found.at_ms,
                will: found
                    .will
                    .map(|will| (will.delay_s, will.expiry_s, will.message.block.into())),
                received: found.received.into_iter().collect(),
                begun: found.begun,
                confirmed: found.confirmed,
                ..Session::default()
            };
            for RecoveredSubscription {
                topic_filter,
                options,
                subscription_id,
            } in found.subscriptions
            {
                let value = (options, subscription_id);
                assert_eq!(session.subscriptions.insert(topic_filter, value), None);
            }
            for entry in found.queued {
                let message = store.read(found.session, entry.id).unwrap();
                assert_eq!(message.block.len(), usize::try_from(entry.len).unwrap());
                let queued = Queued {
                    qos: entry.qos,
                    retain: entry.retain,
                    ids: entry.subscription_ids,
                    shared_filter: entry.shared_filter.map(Into::into),
                    block: message.block.into(),
                };
                assert_eq!(session.queue.insert(entry.id, queued), None);
            }
            assert!(model.sessions.insert(found.session, session).is_none());
        }
        model
    }

    /// The first difference, in words.
    pub(crate) fn difference(&self, found: &Self) -> Option<String> {
        let retained = self.retained == found.retained;
        let delayed = self.delayed == found.delayed;
        let last_session = self.last_session == found.last_session;
        if !(retained && delayed && last_session) {
            return Some(format!("{retained} {delayed} {last_session}"));
        }
        let keys = |model: &Self| model.sessions.keys().copied().collect::<Vec<_>>();
        if keys(self) != keys(found) {
            return Some(format!("{:?} became {:?}", keys(self), keys(found)));
        }
        let mut both = self.sessions.iter().zip(found.sessions.values());
        let ((session, was), is) = both.find(|((_, was), is)| was != is)?;
        if was.queue != is.queue {
            let missing = was.queue.keys().filter(|id| !is.queue.contains_key(id));
            let added = is.queue.keys().filter(|id| !was.queue.contains_key(id));
            let (missing, added): (Vec<_>, Vec<_>) = (missing.collect(), added.collect());
            return Some(format!("{session:?}: {missing:?} missing, {added:?} added"));
        }
        Some(format!(
            "{session:?}: {:?} {:?} became {:?} {:?}",
            was.begun, was.confirmed, is.begun, is.confirmed
        ))
    }

    /// One random change, of the store and of the model.
    pub(crate) fn step(&mut self, random: &mut Random, store: &Store) {
        let Some(session) = random.pick(self.sessions.keys().copied()) else {
            return self.start(random, store);
        };
        let at_ms = random.below(1_000_000);
        match random.below(22) {
            0 => self.start(random, store),
            1 if random.below(4) == 0 => {
                put(store, &Record::SessionEnded { session });
                self.sessions.remove(&session);
            }
            1..=9 => self.publish(random, store),
            10 => {
                let message = random.message();
                self.last_delayed += 1;
                let id = self.last_delayed;
                let value = (at_ms, "p".to_owned(), message.block.to_vec());
                self.delayed.insert(id, value);
                let record = Record::Delayed {
                    id,
                    due_ms: at_ms,
                    publisher_id: "p".into(),
                    received: None,
                    message,
                };
                put(store, &record);
            }
            11 if random.flag() => {
                if let Some(id) = random.pick(self.delayed.keys().copied()) {
                    self.delayed.remove(&id);
                    put(store, &Record::DelayedDone { id });
                }
            }
            11 => {
                if let Some(topic_name) = random.pick(self.retained.keys().cloned()) {
                    self.retained.remove(&topic_name);
                    let topic_name = topic_name.into();
                    put(store, &Record::RetainedRemoved { topic_name });
                }
            }
            _ => {
                let found = self.sessions.get_mut(&session).unwrap();
                found.step(session, random, store, at_ms);
            }
        }
    }

    fn start(&mut self, random: &mut Random, store: &Store) {
        self.last_session += 1;
        let session = SessionId(self.last_session);
        let started = Session {
            client_id: format!("c{}", self.last_session),
            expiry_s: random.small(),
            was_connected: true,
            at_ms: random.below(1_000_000),
            ..Session::default()
        };
        let record = Record::SessionStarted {
            session,
            client_id: started.client_id.clone().into(),
            expiry_s: started.expiry_s,
            at_ms: started.at_ms,
        };
        put(store, &record);
        self.sessions.insert(session, started);
    }

    fn publish(&mut self, random: &mut Random, store: &Store) {
        let message = random.message();
        let is_retained = random.below(4) == 0;
        let received = random.flag().then(|| random.packet_id());
        let mut recipients = Vec::new();
        for session in self.sessions.keys() {
            if random.flag() {
                recipients.push(Recipient {
                    session: *session,
                    qos: 1 + u8::try_from(random.below(2)).unwrap(),
                    retain: random.flag(),
                    subscription_ids: (0..random.below(3)).map(|_| random.small()).collect(),
                    shared_filter: random.flag().then(|| "$share/g/t".into()),
                });
            }
        }
        // One that has ended meanwhile.
        recipients.push(Recipient {
            session: SessionId(u64::MAX),
            qos: 1,
            retain: false,
            subscription_ids: Vec::new(),
            shared_filter: None,
        });
        let append =
            || store.append_message(message.clone(), recipients.clone(), is_retained, received);
        let (_, id) = retry(append);
        let is_kept = is_retained || recipients.len() > 1;
        if let (Some(packet_id), Some(publisher), true) = (
            received,
            self.sessions.get_mut(&SessionId(message.publisher)),
            is_kept,
        ) {
            publisher.received.insert(packet_id);
        }
        if is_retained {
            let topic = message.topic_name().to_owned();
            self.retained.insert(topic, message.block.to_vec());
        }
        for recipient in recipients {
            if let Some(session) = self.sessions.get_mut(&recipient.session) {
                let queued = Queued {
                    qos: recipient.qos,
                    retain: recipient.retain,
                    ids: recipient.subscription_ids,
                    shared_filter: recipient.shared_filter.map(Into::into),
                    block: message.block.to_vec(),
                };
                session.queue.insert(id, queued);
            }
        }
    }
}

impl Session {
    fn step(&mut self, session: SessionId, random: &mut Random, store: &Store, at_ms: u64) {
        let topic_filter = format!("f/{}", random.below(4));
        let packet_id = random.packet_id();
        let expiry_s = random.small();
        match random.below(12) {
            0 => {
                (self.was_connected, self.at_ms, self.expiry_s) = (true, at_ms, expiry_s);
                let record = Record::Attached {
                    session,
                    expiry_s,
                    at_ms,
                };
                put(store, &record);
            }
            1 => {
                (self.was_connected, self.at_ms, self.expiry_s) = (false, at_ms, expiry_s);
                let record = Record::Detached {
                    session,
                    expiry_s,
                    at_ms,
                };
                put(store, &record);
            }
            2 => {
                self.subscriptions
                    .insert(topic_filter.clone(), (1, Some(expiry_s)));
                let record = Record::Subscribed {
                    session,
                    topic_filter: topic_filter.into(),
                    options: 1,
                    subscription_id: Some(expiry_s),
                };
                put(store, &record);
            }
            3 => {
                self.subscriptions.remove(&topic_filter);
                let topic_filter = topic_filter.into();
                let record = Record::Unsubscribed {
                    session,
                    topic_filter,
                };
                put(store, &record);
            }
            4 => {
                let message = random.message();
                self.will = Some((expiry_s, Some(7), message.block.to_vec()));
                let record = Record::Will {
                    session,
                    message,
                    delay_s: expiry_s,
                    expiry_s: Some(7),
                };
                put(store, &record);
            }
            5 => {
                self.will = None;
                put(store, &Record::WillGone { session });
            }
            6 if random.flag() => {
                self.received.insert(packet_id);
                put(store, &Record::Received { session, packet_id });
            }
            6 => {
                if let Some(packet_id) = random.pick(self.received.iter().copied()) {
                    self.received.remove(&packet_id);
                    put(store, &Record::Released { session, packet_id });
                }
            }
            _ => self.deliver(session, random, store),
        }
    }

    /// Moves one message a step on its way.
    fn deliver(&mut self, session: SessionId, random: &mut Random, store: &Store) {
        let in_turn = random.below(4) != 0;
        match random.below(5) {
            0 | 1 => {
                let is_begun = |id: &MessageId| self.begun.iter().any(|(begun, _)| begun == id);
                let mut waiting = self.queue.keys().copied().filter(|id| !is_begun(id));
                let id = match in_turn {
                    true => waiting.next(),
                    false => random.pick(waiting),
                };
                let under_way = self.begun.iter().chain(&self.confirmed);
                let used: Vec<_> = under_way.map(|(_, used)| *used).collect();
                let packet_id = random.packet_id();
                if let Some(id) = id.filter(|_| !used.contains(&packet_id)) {
                    self.begun.push((id, packet_id));
                    let record = Record::Begun {
                        session,
                        id,
                        packet_id,
                    };
                    put(store, &record);
                }
            }
            2 => {
                if let Some((id, packet_id)) = random.pick(self.begun.clone()) {
                    self.begun.retain(|(begun, _)| *begun != id);
                    self.queue.remove(&id);
                    self.confirmed.push((id, packet_id));
                    put(store, &Record::Confirmed { session, id });
                }
            }
            _ => {
                let under_way = self.begun.iter().chain(&self.confirmed).map(|(id, _)| *id);
                let mut all: Vec<_> = self.queue.keys().copied().chain(under_way).collect();
                all.sort_unstable();
                let id = match in_turn {
                    true => all.first().copied(),
                    false => random.pick(all),
                };
                if let Some(id) = id {
                    self.begun.retain(|(begun, _)| *begun != id);
                    self.confirmed.retain(|(confirmed, _)| *confirmed != id);
                    self.queue.remove(&id);
                    store.finish(session, id);
                    if random.flag() {
                        store.flush();
                    }
                }
            }
        }
    }
}
