//! One thread of a fleet: its clients, their events, and messages when they are due.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::Duration;

use mio::Events;

use super::client::{Client, Desk, Fault, Phase, Work};
use super::clock::Waiter;
use super::crew;
use super::pace::{Due, DueQueue, Interval};
use super::receiver::Run;
use super::settings::Pace;
use super::shared::{Faults, Shared, Sources, Stage};
use super::tally::{Counts, Times};
use super::template::Random;
use crate::connection::next_source;
use crate::error::BenchError;

/// Connections under way at once, of the whole fleet.
const CONNECTING_MAX: usize = 256;
/// The longest wait for events, and how often a thread tells what it has.
const TURN_MAX: Duration = Duration::from_millis(20);
/// How often clients are looked at for what is overdue.
const SWEEP_NS: u64 = 1_000_000_000;
/// How long a client waits before it tries again.
const RETRY_NS: u64 = 1_000_000_000;
/// Messages put down before reading again.
const BURST: usize = 4096;
/// Bytes one read may take.
const READ_LEN: usize = 256 * 1024;
/// The same with small buffers.
const READ_LEN_SMALL: usize = 16 * 1024;
/// Streams whose numbers are followed, of the whole fleet.
pub(crate) const TRACKS_MAX: usize = 1 << 20;
/// In a closed loop at QoS 0, messages per publisher that may be under way, if nothing else is said.
const WINDOW: u64 = 128;

/// In a closed loop, messages per read that are enough, and those that are plenty.
const GATHERED: [u64; 2] = [8, 32];
/// How long messages may gather there, from the shortest time that pays.
const GATHER: [Duration; 2] = [Duration::from_micros(50), Duration::from_millis(2)];

/// A thread's part of a fleet.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    /// Which board is its own.
    place: usize,
    waiter: Waiter,
    clients: Vec<Client>,
    /// Clients that have not begun to connect, in order.
    starts: VecDeque<u32>,
    /// Clients that connect again, and when.
    retries: VecDeque<(u64, u32)>,
    connecting: usize,
    queue: DueQueue,
    /// Publishers that wrote something in this turn.
    touched: Vec<u32>,
    interval: Interval,
    random: Random,
    desk: Desk,
    /// When publishing began, once it has.
    start_ns: u64,
    told_ns: u64,
    swept_ns: u64,
    /// Deliveries told of so far.
    told: [u64; 2],
    /// How long messages gather before the next look.
    pause: Duration,
}

impl Worker {
    /// Thread `place` of the fleet.
    pub(crate) fn new(shared: Arc<Shared>, place: u16) -> Result<Self, BenchError> {
        let fleet = &shared.fleet;
        let waiter = Waiter::new().map_err(BenchError::io("creating a poll"))?;
        let clients = crew::clients(&shared, place);
        let publishers = u64::from(fleet.publishers);
        let interval = match fleet.publishing.pace {
            Pace::Every(time) => Interval::of_ns(super::clock::nanoseconds(time)),
            Pace::Rate { per_1000_s } => Interval::of_rate(publishers, per_1000_s),
            Pace::Unlimited => Interval::of_ns(0),
        };
        let buffer_len = if fleet.low_memory {
            READ_LEN_SMALL
        } else {
            READ_LEN
        };
        let desk = Desk {
            counts: Counts::default(),
            times: Times::new(),
            faults: Faults::default(),
            run: Run {
                own: (fleet.publishers > 0 && fleet.header.is_own()).then_some(shared.run),
                tracks_left: TRACKS_MAX / usize::from(fleet.threads.max(1)),
            },
            now_ns: shared.clock.origin_ns(),
            came_ns: shared.clock.origin_ns(),
            measure_ns: u64::MAX,
            clock: shared.clock,
            buffer: vec![0; buffer_len],
        };
        Ok(Self {
            place: place.into(),
            waiter,
            starts: (0..).take(clients.len()).collect(),
            clients,
            retries: VecDeque::new(),
            connecting: 0,
            queue: DueQueue::default(),
            touched: Vec::new(),
            interval,
            random: Random::new(u64::from(shared.run) << 16 | u64::from(place)),
            desk,
            start_ns: 0,
            told_ns: 0,
            swept_ns: shared.clock.origin_ns(),
            told: [0; 2],
            pause: fleet.tick,
            shared,
        })
    }

    /// Works until the fleet leaves.
    pub(crate) fn run(mut self) -> Result<(), BenchError> {
        let mut events = Events::with_capacity(1024);
        loop {
            self.desk.now_ns = self.shared.clock.now_ns();
            let stage = self.shared.stage();
            if stage == Stage::Leaving {
                self.leave();
                return Ok(());
            }
            self.desk.measure_ns = self.shared.measure_ns.load(Ordering::Relaxed);
            if stage == Stage::Working && self.start_ns == 0 {
                self.begin_publishing();
            }
            self.connect();
            if stage == Stage::Draining {
                self.queue.clear();
            } else {
                self.publish();
            }
            self.tell();
            self.sweep();
            let mut timeout = self.timeout(stage);
            if stage == Stage::Working && !self.pause.is_zero() {
                thread::sleep(self.pause);
                timeout = Duration::ZERO;
            }
            let waited = self.waiter.wait(&mut events, timeout);
            waited.map_err(BenchError::io("waiting for events"))?;
            self.desk.now_ns = self.shared.clock.now_ns();
            let (before, mut reads) = (self.handled(), 0);
            for event in &events {
                let Ok(token) = u32::try_from(event.token().0) else {
                    continue;
                };
                self.serve(token, event.is_readable());
                reads += u64::from(event.is_readable());
            }
            if self.shared.fleet.may_gather() && self.shared.fleet.tick.is_zero() {
                self.pause = next_pause(self.pause, self.handled() - before, reads);
            }
        }
    }

    /// Messages that came, and acknowledgements.
    fn handled(&self) -> u64 {
        self.desk.counts.received + self.desk.counts.acknowledged
    }

    fn client(&mut self, token: u32) -> Option<&mut Client> {
        self.clients
            .get_mut(usize::try_from(token).unwrap_or(usize::MAX))
    }

    /// Lets a client do what an event allows.
    fn serve(&mut self, token: u32, is_readable: bool) {
        let place = usize::try_from(token).unwrap_or(usize::MAX);
        let Some(client) = self.clients.get_mut(place) else {
            return;
        };
        let before = client.phase;
        match client.proceed(is_readable, &self.shared.fleet, &mut self.desk) {
            Ok(()) => {
                let is_new = before != Phase::Ready && client.phase == Phase::Ready;
                if is_new {
                    self.connecting = self.connecting.saturating_sub(1);
                    self.desk.counts.ready += 1;
                    self.desk.counts.connects += 1;
                    self.schedule(token);
                }
                self.queue_again(token);
            }
            Err(fault) => self.fail(token, fault),
        }
    }

    /// Begins connections whose time has come, as many as may be under way.
    fn connect(&mut self) {
        let fleet = &self.shared.fleet;
        let at_once = (CONNECTING_MAX / usize::from(fleet.threads.max(1))).max(1);
        let now_ns = self.desk.now_ns;
        while self.connecting < at_once {
            let again = self.retries.pop_front_if(|(at_ns, _)| *at_ns <= now_ns);
            let token = match (again, self.next_start_ns()) {
                (Some((_, token)), _) => token,
                (None, Some(at_ns)) if at_ns <= now_ns => match self.starts.pop_front() {
                    Some(token) => token,
                    None => return,
                },
                _ => return,
            };
            self.begin(token);
        }
    }

    fn begin(&mut self, token: u32) {
        let shared = Arc::clone(&self.shared);
        let place = usize::try_from(token).unwrap_or(usize::MAX);
        let Some(client) = self.clients.get_mut(place) else {
            return;
        };
        let Some(server) = shared.servers.get(client.server) else {
            return;
        };
        let source = match &shared.sources {
            Sources::System => None,
            Sources::Loopback => Some(IpAddr::V4(next_source())),
            Sources::These(all) => {
                let count = u64::try_from(all.len()).unwrap_or(1).max(1);
                all.get(usize::try_from(client.ordinal % count).unwrap_or(0))
                    .copied()
            }
        };
        self.connecting += 1;
        let setting = (&shared.fleet, self.desk.now_ns);
        if let Err(fault) = client.begin(self.waiter.registry(), place, server, source, setting) {
            self.fail(token, fault);
        }
    }

    /// When the next client may begin to connect.
    fn next_start_ns(&self) -> Option<u64> {
        let token = *self.starts.front()?;
        let Some(per_1000_s) = self.shared.fleet.connects_per_1000_s else {
            return Some(0);
        };
        let client = self
            .clients
            .get(usize::try_from(token).unwrap_or(usize::MAX))?;
        let after = u128::from(client.ordinal) * 1_000_000_000_000 / u128::from(per_1000_s.max(1));
        Some(self.shared.clock.origin_ns() + u64::try_from(after).unwrap_or(u64::MAX / 2))
    }

    /// A connection ended with this; whether the client comes again is counted.
    fn fail(&mut self, token: u32, fault: Fault) {
        let now_ns = self.desk.now_ns;
        let leaving = self.shared.stage() >= Stage::Draining;
        let Some(client) = self.client(token) else {
            return;
        };
        let was_ready = client.phase == Phase::Ready;
        let has_more = client.has_more();
        let forgotten = client.close();
        let left = match was_ready {
            true => &mut client.reconnects_left,
            false => &mut client.tries_left,
        };
        let again = *left > 0 && !leaving;
        *left = left.saturating_sub(1);
        if !again {
            client.phase = Phase::Gone;
        }
        let counts = &mut self.desk.counts;
        counts.under_way -= forgotten;
        counts.unacknowledged += forgotten;
        match was_ready {
            true => {
                counts.ready -= 1;
                counts.lost_connections += 1;
            }
            false => {
                counts.connect_failures += 1;
                self.connecting = self.connecting.saturating_sub(1);
            }
        }
        if again {
            // A lost connection is made anew at once, a refused one after a while.
            let wait = if was_ready { 0 } else { RETRY_NS };
            let at = self
                .retries
                .partition_point(|(at_ns, _)| *at_ns <= now_ns + wait);
            self.retries.insert(at, (now_ns + wait, token));
        } else {
            counts.given_up += 1;
            // Nobody is to wait for what it would have sent.
            counts.finished += u64::from(has_more);
        }
        self.desk.faults.add(fault.0, 1);
    }

    /// All publishers that are ready get their times.
    fn begin_publishing(&mut self) {
        self.start_ns = self.shared.start_ns.load(Ordering::Acquire);
        let count = u32::try_from(self.clients.len()).unwrap_or(u32::MAX);
        for token in 0..count {
            let is_ready = self
                .client(token)
                .is_some_and(|client| client.phase == Phase::Ready);
            if is_ready {
                self.schedule(token);
                self.queue_again(token);
            }
        }
    }

    /// Says when the first message of a client is due that is ready now; one that comes back goes on where it was.
    fn schedule(&mut self, token: u32) {
        let (start_ns, now_ns, interval) = (self.start_ns, self.desk.now_ns, self.interval);
        if start_ns == 0 {
            return;
        }
        let publishing = &self.shared.fleet.publishing;
        let publishers = u64::from(self.shared.fleet.publishers);
        let [least, most] = publishing.random_wait.map(super::clock::nanoseconds);
        let range = most.saturating_sub(least).saturating_add(1);
        let wait_ns = least.saturating_add(self.random.below(range));
        let together = self.shared.fleet.starts_together();
        let Some(client) = self.client(token) else {
            return;
        };
        if client.due != Due::default() {
            return;
        }
        // Spread over the first interval, so that they do not all send at once for ever.
        let spread_ns = interval.part(client.index.into(), publishers).ns();
        let since_ns = match together {
            true => 0,
            false => now_ns.saturating_sub(start_ns),
        };
        let after_ns = since_ns.saturating_add(spread_ns);
        client.due = Due::at_ns(after_ns.saturating_add(wait_ns));
    }

    /// Puts a publisher that could not send back into the queue, if it can now.
    fn queue_again(&mut self, token: u32) {
        if self.start_ns == 0 {
            return;
        }
        let Some(client) = self.client(token) else {
            return;
        };
        if client.is_queued || client.phase != Phase::Ready || !client.has_more() {
            return;
        }
        client.is_queued = true;
        let due = client.due;
        self.queue.push(due, token);
    }

    /// Puts down all messages that are due, and writes them.
    fn publish(&mut self) {
        if self.start_ns == 0 || self.is_throttled() {
            return;
        }
        let now = Due::at_ns(self.desk.now_ns.saturating_sub(self.start_ns));
        let is_unlimited = self.shared.fleet.publishing.pace == Pace::Unlimited;
        for _ in 0..BURST {
            let Some((due, token)) = self.queue.pop(now) else {
                break;
            };
            let due = if is_unlimited { now } else { due };
            let due_ns = self.start_ns + due.ns();
            let next = due.after(self.interval);
            let place = usize::try_from(token).unwrap_or(usize::MAX);
            let Some(client) = self.clients.get_mut(place) else {
                continue;
            };
            client.is_queued = false;
            if client.phase != Phase::Ready {
                continue;
            }
            if self.touched.last() != Some(&token) {
                self.touched.push(token);
            }
            if !client.publish(due_ns, &mut self.desk) {
                // An acknowledgement, or room to write, brings it back.
                continue;
            }
            client.due = next;
            if client.has_more() {
                client.is_queued = true;
                self.queue.push(next, token);
            }
        }
        let mut touched = std::mem::take(&mut self.touched);
        touched.sort_unstable();
        touched.dedup();
        for token in touched.drain(..) {
            self.write(token);
        }
        self.touched = touched;
    }

    fn write(&mut self, token: u32) {
        let gives_back = self.shared.fleet.low_memory;
        let Some(client) = self.client(token) else {
            return;
        };
        match client.flush(gives_back) {
            Ok(()) if !client.is_queued && !client.has_waiting() && client.has_room() => {
                self.queue_again(token);
            }
            Ok(()) => {}
            Err(fault) => self.fail(token, fault),
        }
    }

    /// Whether a closed loop has as much under way as it may.
    fn is_throttled(&self) -> bool {
        let publishing = &self.shared.fleet.publishing;
        if publishing.pace != Pace::Unlimited || self.shared.copies.is_none() {
            return false;
        }
        let window = match publishing.inflight {
            0 | 1 => WINDOW,
            window => window.into(),
        };
        let to_come = self.shared.to_come.load(Ordering::Relaxed);
        let under_way = to_come.saturating_sub(self.shared.come.load(Ordering::Relaxed));
        let per_message = self.shared.copies_per_message;
        under_way >= window * u64::from(self.shared.fleet.publishers) * per_message
    }

    /// Tells the others what came and what went, and now and then all there is to tell.
    fn tell(&mut self) {
        let counts = &self.desk.counts;
        let [to_come, come] = &mut self.told;
        if counts.expected > *to_come {
            let more = counts.expected - std::mem::replace(to_come, counts.expected);
            self.shared.to_come.fetch_add(more, Ordering::Relaxed);
        }
        if counts.received > *come {
            let more = counts.received - std::mem::replace(come, counts.received);
            self.shared.come.fetch_add(more, Ordering::Relaxed);
        }
        let turn_ns = super::clock::nanoseconds(TURN_MAX);
        if self.desk.now_ns.saturating_sub(self.told_ns) >= turn_ns {
            self.told_ns = self.desk.now_ns;
            if self.shared.stage() == Stage::Draining {
                let waiting = self.clients.iter().filter(|client| client.has_waiting());
                self.desk.counts.waiting = u64::try_from(waiting.count()).unwrap_or(u64::MAX);
            }
            self.post();
        }
    }

    fn post(&mut self) {
        let Some(board) = self.shared.boards.get(self.place) else {
            return;
        };
        let mut board = board.lock().unwrap_or_else(PoisonError::into_inner);
        board.counts = self.desk.counts;
        board.times.take(&mut self.desk.times);
        board.faults.take(&mut self.desk.faults);
    }

    /// Looks for what is overdue.
    fn sweep(&mut self) {
        if self.desk.now_ns.saturating_sub(self.swept_ns) < SWEEP_NS {
            return;
        }
        self.swept_ns = self.desk.now_ns;
        let patience_ns = super::clock::nanoseconds(self.shared.fleet.patience);
        let mut failed = Vec::new();
        for (token, client) in (0..).zip(&mut self.clients) {
            if let Err(fault) = client.look_at_time(patience_ns, &mut self.desk) {
                failed.push((token, fault));
            }
        }
        for (token, fault) in failed {
            self.fail(token, fault);
        }
    }

    /// How long to wait for events.
    fn timeout(&self, stage: Stage) -> Duration {
        let now_ns = self.desk.now_ns;
        let mut wait_ns = super::clock::nanoseconds(TURN_MAX);
        if stage == Stage::Working
            && let Some(due) = self.queue.next_due()
        {
            let left = (self.start_ns + due.ns()).saturating_sub(now_ns);
            // What is held back by others is looked at again soon.
            let least = if self.is_throttled() { 100_000 } else { 0 };
            wait_ns = wait_ns.min(left.max(least));
        }
        let is_full =
            self.connecting >= CONNECTING_MAX / usize::from(self.shared.fleet.threads.max(1));
        if let Some(at_ns) = self.next_start_ns().filter(|_| !is_full) {
            wait_ns = wait_ns.min(at_ns.saturating_sub(now_ns));
        }
        Duration::from_nanos(wait_ns)
    }

    fn leave(&mut self) {
        for client in &mut self.clients {
            client.leave();
            client.close();
        }
        self.post();
    }
}

/// How long to let messages gather after a turn with so many in so many reads.
fn next_pause(pause: Duration, handled: u64, reads: u64) -> Duration {
    let [least, most] = GATHER;
    let [enough, plenty] = GATHERED;
    match handled.checked_div(reads) {
        Some(per_read) if per_read < enough => (pause * 2).clamp(least, most),
        Some(per_read) if per_read <= plenty => pause,
        _ if pause / 2 < least => Duration::ZERO,
        _ => pause / 2,
    }
}

impl Client {
    /// Whether another message may be put down.
    fn has_room(&self) -> bool {
        matches!(&self.work, Work::Publish(publisher) if publisher.has_room())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_gather_only_while_reads_are_small() {
        let mut pause = Duration::ZERO;
        for _ in 0..20 {
            pause = next_pause(pause, 10, 10);
        }
        assert_eq!(pause, GATHER[1]);
        assert_eq!(next_pause(pause, 160, 10), pause);
        for _ in 0..20 {
            pause = next_pause(pause, 1000, 10);
        }
        assert_eq!(pause, Duration::ZERO);
        assert_eq!(next_pause(GATHER[0], 0, 0), Duration::ZERO);
    }
}
