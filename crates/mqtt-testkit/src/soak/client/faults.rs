//! How a client leaves: rudely, torn in a packet, politely, or by its own second connection.

use super::{ANSWER_MAX, Client, PACKET_LEN_MAX, RETAINED_MAX, Stage, World};
use crate::soak::cast::Role;
use crate::soak::judge::Fate;
use crate::soak::link::{Link, Reading};
use mqtt_codec::{Disconnect, Packet, Properties, Publish, ReasonCode, TopicName, frame};
use std::time::{Duration, Instant};

/// A connection the broker has to close.
#[derive(Debug)]
pub(super) struct Leaving {
    link: Link,
    since: Instant,
    /// Another connection took its session.
    taken_over: bool,
    told: bool,
}

impl Client {
    /// When the next fault will be.
    pub(super) fn plan_fault(&mut self, world: &mut World) {
        let pace = world.pace.unwrap_or(Duration::from_secs(3600));
        self.fault_at = world.now + part(pace, 20 + world.rng.below(160));
    }

    /// A fault is near, and until then nothing is sent, so that it finds much unacknowledged.
    pub(super) fn is_hoarding(&self, world: &World) -> bool {
        let time = world.pace.map_or(Duration::ZERO, |pace| pace / 40);
        !time.is_zero() && world.now + time > self.fault_at && self.is_ready()
    }

    pub(super) fn maybe_fault(&mut self, world: &mut World) {
        let Stage::Up { since } = self.stage else {
            return;
        };
        let Some(pace) = world.pace else {
            return;
        };
        if world.now < self.fault_at || !self.is_ready() {
            return;
        }
        if world.now.duration_since(since) > RETAINED_MAX && !self.player.slow {
            world.judge.retained_due(self.number);
        }
        self.leave_work_undone(world);
        if self.link.is_none() {
            return;
        }
        match world.rng.below(100) {
            0..30 => self.abort(world),
            30..42 => self.tear(world),
            42..70 => self.say_goodbye(world),
            _ => return self.take_over(world),
        }
        // Some stay away for so long that much waits for them.
        let away = match world.rng.below(10) {
            0 => 100,
            1..4 => 0,
            _ => world.rng.below(20),
        };
        let until = world.now + part(pace, away);
        self.stage = Stage::Away { until };
    }

    /// The connection is gone; `fate` is that of its Will.
    pub(super) fn lose(&mut self, world: &mut World, fate: Fate) {
        drop(self.leave(world, fate));
        let until = world.now + Duration::from_millis(50);
        self.stage = Stage::Away { until };
    }

    /// Looks whether the broker has closed what it must close.
    pub(super) fn watch_leaving(&mut self, world: &mut World) {
        let mut index = 0;
        while let Some(leaving) = self.leaving.get_mut(index) {
            let closed = leaving.link.read(64 * 1024) == Reading::Closed;
            leaving.look_for_disconnect();
            if !closed && world.now.duration_since(leaving.since) < ANSWER_MAX {
                index += 1;
                continue;
            }
            let Leaving {
                link,
                taken_over,
                told,
                ..
            } = self.leaving.swap_remove(index);
            world.events.told_of_takeover += u64::from(told);
            if !closed {
                self.accuse(world, "waits for the broker to close a connection");
            } else if taken_over && !told && link.version().server_may_disconnect() {
                self.accuse(world, "was taken over and not told");
            }
        }
    }

    /// Takes messages without acknowledging them, and publishes some that may or may not be sent.
    fn leave_work_undone(&mut self, world: &mut World) {
        self.listen(world);
        for _ in 0..world.rng.below(8) {
            if self.may_publish() {
                self.publish(world);
            }
        }
        if world.rng.chance(50) {
            self.flush(world);
        }
    }

    fn abort(&mut self, world: &mut World) {
        world.events.aborted += 1;
        drop(self.leave(world, Fate::Must));
    }

    /// Leaves in the middle of a PUBLISH that nobody may receive.
    fn tear(&mut self, world: &mut World) {
        world.events.torn += 1;
        let payload = [b'x'; 300];
        let packet = Packet::Publish(Publish {
            topic_name: TopicName::try_new("soak/0/torn/q0").ok(),
            payload: &payload,
            ..Publish::default()
        });
        if let Some(link) = &mut self.link
            && let Ok(len) = link.send(&packet)
        {
            link.cut(1 + world.rng.below(len - 1));
            // It leaves at once, whatever of it was sent.
            let _sent = link.flush();
        }
        drop(self.leave(world, Fate::Must));
    }

    fn say_goodbye(&mut self, world: &mut World) {
        world.events.disconnected += 1;
        let mut with_will = false;
        if self.player.version.disconnect_has_body() {
            with_will = world.rng.chance(20);
        }
        let reason = match with_will {
            true => ReasonCode::DISCONNECT_WITH_WILL_MESSAGE,
            false => ReasonCode::NORMAL_DISCONNECTION,
        };
        let packet = Packet::Disconnect(Disconnect {
            reason,
            properties: Properties::EMPTY,
        });
        self.send(world, &packet);
        let sent = self
            .link
            .as_mut()
            .is_some_and(|link| link.flush().is_ok() && link.unsent() == 0);
        let fate = match (sent, with_will) {
            (false, _) => Fate::Maybe,
            (true, true) => Fate::Must,
            (true, false) => Fate::Never,
        };
        let link = self.leave(world, fate);
        // What is read from now on is not looked at, so the broker has to send it again.
        self.leaving
            .extend(link.filter(|_| sent).map(|link| Leaving {
                link,
                since: world.now,
                taken_over: false,
                told: false,
            }));
    }

    fn take_over(&mut self, world: &mut World) {
        world.events.taken_over += 1;
        let link = self.leave(world, Fate::Must);
        self.connect(world);
        self.leaving.extend(link.map(|link| Leaving {
            link,
            since: world.now,
            taken_over: true,
            told: false,
        }));
    }

    /// Lets go of the connection, and of the session if it ends with that.
    fn leave(&mut self, world: &mut World, fate: Fate) -> Option<Link> {
        if self.player.role == Role::Publisher {
            world.judge.decide_will(self.number, self.connection, fate);
        }
        if !self.player.keeps {
            for message in self.in_flight.drain(..) {
                world.judge.abandon(message.stream, message.number);
            }
            self.unreleased.clear();
            self.subscribed = false;
        }
        self.paused_until = world.now;
        self.link.take()
    }
}

impl Leaving {
    /// Passes over all that came but a DISCONNECT.
    fn look_for_disconnect(&mut self) {
        let bytes = std::mem::take(&mut self.link.kept);
        let mut at = 0;
        while let Some(rest) = bytes.get(at..)
            && let Ok(Some(found)) = frame(rest, PACKET_LEN_MAX)
        {
            at += found.len;
            if let Ok(Packet::Disconnect(packet)) = Packet::decode(found, self.link.version()) {
                self.told |= packet.reason == ReasonCode::SESSION_TAKEN_OVER;
            }
        }
        self.link.kept = bytes.get(at..).unwrap_or_default().to_vec();
    }
}

/// So many hundredths of `time`.
fn part(time: Duration, percent: usize) -> Duration {
    time * u32::try_from(percent).unwrap_or(100) / 100
}
