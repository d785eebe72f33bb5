//! What must come of every message of a soak, and what did.
//!
//! It knows nothing of packets and connections but their order, so tests hand it what a wrong broker would do.

mod progress;
#[cfg(test)]
mod tests;

use super::cast::{Cast, Role};
use super::message::{Message, Tag};
use mqtt_codec::QoS;
use progress::{Progress, Received};
use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

/// Violations that are told in full.
const TOLD_MAX: usize = 40;

/// What must become of the Will of one connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// It must be published.
    Must,
    /// It must not.
    Never,
    /// Nobody can know.
    Maybe,
}

/// How much of what there was.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(super) struct Counts {
    /// Messages published first, by QoS.
    pub(super) published: [u64; 3],
    /// Messages published again after a reconnect.
    pub(super) resent: u64,
    /// Messages whose publisher had its last acknowledgement.
    pub(super) acknowledged: u64,
    /// Messages received, by the QoS they came with.
    pub(super) delivered: [u64; 3],
    /// QoS 1 messages among them that had come before.
    pub(super) repeats: u64,
    /// Retained messages sent to new subscriptions.
    pub(super) retained: u64,
    /// Wills received.
    pub(super) wills: u64,
}

/// One topic of one publisher, whose messages are numbered from 1.
#[derive(Debug, Default)]
struct Sent {
    newest: u64,
    acknowledged: u64,
    /// Sent more than once at QoS 1, so that they may come more than once.
    resent: BTreeSet<u64>,
    /// Given up by a publisher whose session ended, so that they may never come.
    abandoned: BTreeSet<u64>,
}

/// What one client has received.
#[derive(Debug, Default)]
struct Heard {
    progress: BTreeMap<usize, Progress>,
    wills: BTreeSet<(usize, u32)>,
    /// Retained messages its newest subscription must bring, at least as new as this.
    retained: BTreeMap<usize, u64>,
}

/// What all members of a group have received of one topic.
#[derive(Debug, Default)]
struct Shared {
    /// All up to this one came, but for `holes`.
    floor: u64,
    above: BTreeSet<u64>,
    /// Abandoned ones the floor went past.
    holes: BTreeSet<u64>,
}

/// Keeps the account of a whole run.
#[derive(Debug)]
pub(super) struct Judge {
    cast: Cast,
    sent: Vec<Sent>,
    heard: Vec<Heard>,
    shared: BTreeMap<(usize, usize), Shared>,
    wills: BTreeMap<(usize, u32), Fate>,
    /// What it has counted.
    pub(super) counts: Counts,
    violations: Vec<String>,
    violation_count: u64,
}

impl Judge {
    pub(super) fn new(cast: Cast) -> Self {
        Self {
            sent: cast.streams.iter().map(|_| Sent::default()).collect(),
            heard: cast.players.iter().map(|_| Heard::default()).collect(),
            shared: BTreeMap::new(),
            wills: BTreeMap::new(),
            counts: Counts::default(),
            violations: Vec::new(),
            violation_count: 0,
            cast,
        }
    }

    /// The first violations, and how many there were in all.
    pub(super) fn violations(&self) -> (&[String], u64) {
        (&self.violations, self.violation_count)
    }

    /// Notes a violation.
    pub(super) fn accuse(&mut self, what: String) {
        self.violation_count += 1;
        if self.violations.len() < TOLD_MAX {
            self.violations.push(what);
        }
    }

    /// A message is about to be published; its number.
    pub(super) fn publish(&mut self, stream: usize) -> u64 {
        let qos = self.cast.streams.get(stream).map(|stream| stream.qos);
        if let Some(count) = qos.and_then(|qos| self.counts.published.get_mut(index(qos))) {
            *count += 1;
        }
        self.sent.get_mut(stream).map_or(0, |sent| {
            sent.newest += 1;
            sent.newest
        })
    }

    /// Its publisher sends a QoS 1 message once more.
    pub(super) fn resend(&mut self, stream: usize, number: u64) {
        self.counts.resent += 1;
        if let Some(sent) = self.sent.get_mut(stream) {
            sent.resent.insert(number);
        }
    }

    /// Its publisher has the last acknowledgement.
    pub(super) fn acknowledge(&mut self, stream: usize, number: u64) {
        self.counts.acknowledged += 1;
        if let Some(sent) = self.sent.get_mut(stream) {
            sent.acknowledged = sent.acknowledged.max(number);
        }
    }

    /// Its publisher will never learn whether it came.
    pub(super) fn abandon(&mut self, stream: usize, number: u64) {
        if let Some(sent) = self.sent.get_mut(stream) {
            sent.abandoned.insert(number);
        }
    }

    /// What must become of the Will of a connection; of connections not told of, nothing may.
    pub(super) fn decide_will(&mut self, client: usize, connection: u32, fate: Fate) {
        self.wills.insert((client, connection), fate);
    }

    /// A client has a new connection, on which it takes part from now on.
    pub(super) fn connected(&mut self, client: usize) {
        let Some(heard) = self.heard.get_mut(client) else {
            return;
        };
        let keeps = self.cast.players.get(client).is_some_and(|p| p.keeps);
        if keeps {
            heard.progress.values_mut().for_each(Progress::reconnected);
        } else {
            heard.progress.clear();
        }
        heard.retained.clear();
    }

    /// A client with a fresh session is about to subscribe, which must bring it the retained messages.
    pub(super) fn subscribing(&mut self, client: usize) {
        let (Some(player), Some(heard)) =
            (self.cast.players.get(client), self.heard.get_mut(client))
        else {
            return;
        };
        if player.role != Role::Subscriber {
            return;
        }
        for (stream, _) in player.expects.iter() {
            let kept = self.cast.streams.get(*stream).is_some_and(|s| s.retained);
            let newest = self.sent.get(*stream).map_or(0, |sent| sent.acknowledged);
            if kept && newest > 0 {
                heard.retained.insert(*stream, newest);
            }
        }
    }

    /// A client has been connected for long enough to have all retained messages.
    pub(super) fn retained_due(&mut self, client: usize) {
        let missing = self
            .heard
            .get_mut(client)
            .map(|heard| std::mem::take(&mut heard.retained))
            .unwrap_or_default();
        for (stream, number) in missing {
            self.accuse(format!(
                "client {client} subscribed and never got the retained message of {}, number {number} or newer",
                self.cast.name_of(stream)
            ));
        }
    }

    /// A client has received a message for the first time, as far as Packet Identifiers tell.
    pub(super) fn receive(&mut self, client: usize, message: &Message<'_>) {
        if let Some(count) = self.counts.delivered.get_mut(index(message.qos)) {
            *count += 1;
        }
        let result = match Tag::read(message.payload) {
            Some(Tag::Stream { stream, number }) => {
                self.receive_stream(client, message, stream, number)
            }
            Some(Tag::Will {
                client: of,
                connection,
            }) => self.receive_will(client, message, of, connection),
            None => Err("nobody published that".to_owned()),
        };
        if let Err(error) = result {
            let connection_note = if message.dup { ", DUP" } else { "" };
            let head: Vec<u8> = message.payload.iter().copied().take(40).collect();
            self.accuse(format!(
                "client {client} received {:?} on {} at QoS {}{connection_note}: {error}",
                String::from_utf8_lossy(&head),
                message.topic_name,
                message.qos.get()
            ));
        }
    }

    fn receive_stream(
        &mut self,
        client: usize,
        message: &Message<'_>,
        stream: usize,
        number: u64,
    ) -> Result<(), String> {
        let (Some(of), Some(sent)) = (self.cast.streams.get(stream), self.sent.get(stream)) else {
            return Err("there is no such publisher".to_owned());
        };
        let (Some(player), Some(heard)) =
            (self.cast.players.get(client), self.heard.get_mut(client))
        else {
            return Err("there is no such client".to_owned());
        };
        if of.topic_name != message.topic_name {
            return Err(format!("it was published to {}", of.topic_name));
        }
        if number > sent.newest {
            return Err(format!("the newest is {}", sent.newest));
        }
        let Some(&expected) = player.expects.get(&stream) else {
            return Err("it has no such subscription".to_owned());
        };
        if message.qos != expected {
            return Err(format!("it must come at QoS {}", expected.get()));
        }
        if message.retain {
            let floor = heard.retained.remove(&stream).unwrap_or(0);
            self.counts.retained += 1;
            return match of.retained {
                false => Err("it was not retained".to_owned()),
                true if number < floor => Err(format!("number {floor} was retained before")),
                true => Ok(()),
            };
        }
        let received = Received {
            number,
            qos: expected,
            dup: message.dup,
            may_repeat: of.qos == QoS::AtLeastOnce && sent.resent.contains(&number),
        };
        match player.role {
            Role::Member(group) => {
                let strict = self
                    .cast
                    .groups
                    .get(group)
                    .is_some_and(|group| group.strict);
                // No order: what waited for a member that is away goes to another; v5 [MQTT-4.6.0-6].
                let shared = self.shared.entry((group, stream)).or_default();
                let is_new = shared.receive(number, &sent.abandoned);
                self.counts.repeats += u64::from(!is_new);
                match is_new || expected == QoS::AtMostOnce {
                    true => Ok(()),
                    false if expected == QoS::ExactlyOnce => {
                        Err("the group has had it before".to_owned())
                    }
                    false if strict && !received.dup && !received.may_repeat => {
                        Err("the group has had it before, and this has no DUP".to_owned())
                    }
                    false => Ok(()),
                }
            }
            Role::Subscriber | Role::Publisher => {
                let progress = heard.progress.entry(stream).or_default();
                let is_new = progress.receive(received, player.keeps, &sent.abandoned)?;
                self.counts.repeats += u64::from(!is_new);
                Ok(())
            }
        }
    }

    fn receive_will(
        &mut self,
        client: usize,
        message: &Message<'_>,
        of: usize,
        connection: u32,
    ) -> Result<(), String> {
        self.counts.wills += 1;
        let Some(heard) = self.heard.get_mut(client) else {
            return Err("there is no such client".to_owned());
        };
        let fate = self.wills.get(&(of, connection)).copied();
        if fate.unwrap_or(Fate::Never) == Fate::Never {
            return Err("this Will must not be published".to_owned());
        }
        let is_new = heard.wills.insert((of, connection));
        if !is_new && (message.qos == QoS::ExactlyOnce || !message.dup) {
            return Err("this Will came before".to_owned());
        }
        Ok(())
    }

    /// What should have come by now and did not, in words; nothing when all is well.
    pub(super) fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (client, (player, heard)) in self.cast.players.iter().zip(&self.heard).enumerate() {
            if player.role == Role::Subscriber && player.keeps {
                for (&stream, &qos) in &player.expects {
                    let last = heard.progress.get(&stream).map_or(0, Progress::newest);
                    let due = self.sent.get(stream).map_or(0, Sent::newest_due);
                    if qos != QoS::AtMostOnce && last < due {
                        missing.push(format!(
                            "client {client} lacks {}, numbers {} to {due}",
                            self.cast.name_of(stream),
                            last + 1
                        ));
                    }
                }
            }
            if player.watches.is_some() {
                let due = self.wills.iter().filter(|(_, fate)| **fate == Fate::Must);
                missing.extend(
                    due.filter(|(will, _)| !heard.wills.contains(will))
                        .map(|(will, _)| format!("client {client} lacks the Will of {will:?}")),
                );
            }
        }
        for (group, of) in self.cast.groups.iter().enumerate() {
            for (&stream, &qos) in &of.expects {
                let Some(sent) = self.sent.get(stream) else {
                    continue;
                };
                let lacks = match self.shared.get(&(group, stream)) {
                    Some(shared) => shared.first_missing(sent),
                    None => (sent.newest_due() > 0).then_some(1),
                };
                if let (Some(number), true) = (lacks, qos != QoS::AtMostOnce) {
                    missing.push(format!(
                        "group {group} lacks {}, number {number}",
                        self.cast.name_of(stream)
                    ));
                }
            }
        }
        missing
    }

    /// Topics that have a retained message now, at least and at most: of what was abandoned nobody knows.
    pub(super) fn retained_count(&self) -> RangeInclusive<usize> {
        let kept = self.cast.streams.iter().zip(&self.sent);
        let kept: Vec<_> = kept.filter(|(stream, _)| stream.retained).collect();
        let least = kept.iter().filter(|(_, sent)| sent.newest_due() > 0);
        let most = kept.iter().filter(|(_, sent)| sent.newest > 0);
        least.count()..=most.count()
    }
}

impl Sent {
    /// The newest message that must come.
    fn newest_due(&self) -> u64 {
        let mut newest = self.newest;
        while self.abandoned.contains(&newest) {
            newest -= 1;
        }
        newest
    }
}

impl Shared {
    /// Takes one in; whether it is new.
    fn receive(&mut self, number: u64, abandoned: &BTreeSet<u64>) -> bool {
        let is_new = if number <= self.floor {
            self.holes.remove(&number)
        } else {
            self.above.insert(number)
        };
        loop {
            let next = self.floor + 1;
            if !self.above.remove(&next) {
                // Only what came later tells that it is not still on its way.
                if !abandoned.contains(&next) || self.above.is_empty() {
                    return is_new;
                }
                self.holes.insert(next);
            }
            self.floor = next;
        }
    }

    fn first_missing(&self, sent: &Sent) -> Option<u64> {
        (self.floor + 1..=sent.newest)
            .find(|number| !self.above.contains(number) && !sent.abandoned.contains(number))
    }
}

const fn index(qos: QoS) -> usize {
    match qos {
        QoS::AtMostOnce => 0,
        QoS::AtLeastOnce => 1,
        QoS::ExactlyOnce => 2,
    }
}
