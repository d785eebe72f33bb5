//! One connection's task: reads, handles and writes in one place, with no hand-over in between.

use super::accept::{Door, Places, Terms};
use super::arrivals::Arrival;
use super::clock::Clock;
use crate::core::cause::EndCause;
use crate::core::connection::TakenFields;
use crate::core::{Batch, Connection};
use mqtt_io::{Fed, PacketReader, PeerCertificate, Stream, WriteQueue, poll_read_chunk_of};
use std::cell::Cell;
use std::future::Future;
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio::time::{Sleep, sleep};

/// Chunks read in one turn, so that one busy client cannot keep a worker to itself.
const CHUNKS_PER_TURN: usize = 4;
/// Unwritten bytes above which nothing more is read from the same client.
const WRITE_BACKLOG: usize = 256 * 1024;
/// Bytes kept before CONNECT is whole, which is enough for the largest strings it can hold.
const CONNECT_LEN_MAX: usize = 384 * 1024;

thread_local! {
    /// The worker's batch, taken for the time of a turn.
    static BATCH: Cell<Option<Box<Batch>>> = const { Cell::new(None) };
}

/// What a connection may be waiting for with a limit in time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Limit {
    Decision,
    Farewell,
    /// A subscriber's queue to have room.
    Room,
    /// The disk to catch up.
    Log,
    /// A client that sent too fast.
    Rate,
}

/// Something limited in time, and what tells that the time is over.
struct Timer {
    limit: Limit,
    over: Pin<Box<Sleep>>,
}

/// As small as it can be: most connections are idle most of the time, and each is one of these.
pub(crate) struct ConnectionTask {
    pub(super) stream: Stream,
    reader: PacketReader,
    /// Present only while something waits to be written.
    queue: Option<Box<WriteQueue>>,
    pub(super) connection: Connection,
    /// Present until CONNECT has come.
    arrival: Option<Arrival>,
    /// Present only while something is limited: an idle open connection has no timer of its own.
    timer: Option<Box<Timer>>,
    /// Part of a packet, or whole packets behind a pending decision, wait in `reader`.
    is_paused: bool,
    is_done: bool,
    /// Given up last, when the socket is closed.
    pub(super) places: Places,
}

impl ConnectionTask {
    pub(crate) fn new(
        stream: Stream,
        peer: SocketAddr,
        listener: Arc<str>,
        terms: Terms,
        places: Places,
    ) -> Self {
        let door = places.door();
        let now_ms = door.clock.now_ms();
        let connection = Connection::new(
            Arc::clone(&door.core),
            peer,
            listener,
            terms.rates,
            terms.durability,
            now_ms,
        );
        Self {
            stream,
            reader: PacketReader::new(door.core.limits.packet_len_max),
            queue: None,
            connection,
            arrival: None,
            timer: None,
            is_paused: false,
            is_done: false,
            places,
        }
    }

    /// What the handshakes have found out about the client, and what of it is its name.
    pub(crate) fn set_certificate(
        &mut self,
        certificate: Option<PeerCertificate>,
        fields: TakenFields,
    ) {
        self.connection.set_certificate(certificate, fields);
    }

    fn door(&self) -> &Door {
        self.places.door()
    }

    fn clock(&self) -> Clock {
        self.door().clock
    }

    /// One turn: as much as there is to do without waiting, within bounds.
    fn poll_turn(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Poll<EndCause> {
        for _ in 0..CHUNKS_PER_TURN {
            self.poll_held(cx, batch, now_ms);
            if let Some(cause) = self.poll_write(cx, batch, now_ms) {
                return Poll::Ready(cause);
            }
            let may_read = self.connection.end().is_none()
                && !self.is_paused
                && self.connection.resume_at_ms(now_ms).is_none()
                && self.unwritten() <= WRITE_BACKLOG;
            if !may_read {
                return self.poll_limit(cx, now_ms);
            }
            let is_filling = self.reader.is_filling();
            match self.poll_read(cx, batch, now_ms) {
                Poll::Pending => return self.poll_limit(cx, now_ms),
                Poll::Ready(Some(cause)) => return Poll::Ready(cause),
                Poll::Ready(None) => self.door().core.finish(batch, now_ms),
            }
            if is_filling {
                // What was read is still in the processor's cache when the others have their turn.
                break;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Packets that had to wait are offered again when what they waited for is there.
    fn poll_held(&mut self, cx: &mut Context<'_>, batch: &mut Batch, now_ms: u64) {
        while self.poll_connection(cx, batch, now_ms).is_ready()
            && self.is_paused
            && !self.connection.is_paused(now_ms)
        {
            self.feed(&[], batch, now_ms);
        }
    }

    /// Polls what the connection waits for; each decision has the time for one.
    fn poll_connection(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Poll<()> {
        let was_limited = self.connection.is_deciding() || self.connection.is_waiting_for_log();
        let decided = self.connection.poll(cx, batch, now_ms);
        if was_limited && decided.is_ready() {
            self.timer = None;
        }
        decided
    }

    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Poll<Option<EndCause>> {
        let Self {
            stream,
            reader,
            connection,
            is_paused,
            ..
        } = self;
        let mut take = |reader: &mut PacketReader, len: usize, bytes: &[u8]| {
            if len == 0 {
                return false;
            }
            connection.note_alive(now_ms);
            batch.counts.bytes_received += u64::try_from(len).unwrap_or(u64::MAX);
            *is_paused = feed(reader, connection, bytes, batch, now_ms);
            true
        };
        let read = if reader.is_filling() {
            let filled = ready!(reader.poll_fill(stream, cx));
            filled.map(|len| take(reader, len, &[]))
        } else {
            let len_max = reader.read_len();
            ready!(poll_read_chunk_of(stream, cx, len_max, |bytes| {
                take(reader, bytes.len(), bytes)
            }))
        };
        Poll::Ready(match read {
            Ok(true) => None,
            Ok(false) | Err(_) => Some(EndCause::ConnectionLost),
        })
    }

    fn feed(&mut self, bytes: &[u8], batch: &mut Batch, now_ms: u64) {
        self.is_paused = feed(&mut self.reader, &mut self.connection, bytes, batch, now_ms);
    }

    /// Bytes that wait for the socket.
    fn unwritten(&self) -> usize {
        self.queue.as_ref().map_or(0, |queue| queue.len())
    }

    /// Writes what there is; the cause when the connection is over.
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Option<EndCause> {
        // A queue that was kept has still to be flushed, even if it is empty.
        let mut is_unflushed = self.queue.is_some();
        let mut queue = self.queue.take().unwrap_or_else(|| batch.queue());
        let written = loop {
            let mut has_more = true;
            if queue.len() <= WRITE_BACKLOG {
                let waker = cx.waker();
                let connection = &mut self.connection;
                has_more = connection.take_output(&mut queue, batch, waker, now_ms);
            } else {
                self.connection.look_for_end();
            }
            if queue.is_empty() && !is_unflushed {
                break Poll::Ready(Ok(()));
            }
            is_unflushed = false;
            match self.poll_flush(&mut queue, cx, batch, now_ms) {
                Poll::Ready(Ok(())) if has_more => {}
                over => break over,
            }
        };
        match written {
            Poll::Ready(Err(())) => return Some(EndCause::ConnectionLost),
            Poll::Ready(Ok(())) => batch.give_queue(queue),
            Poll::Pending => {
                self.queue = Some(queue);
                return None;
            }
        }
        self.connection.end()
    }

    /// Empties the queue, as far as the socket takes it.
    fn poll_flush(
        &mut self,
        queue: &mut WriteQueue,
        cx: &mut Context<'_>,
        batch: &mut Batch,
        now_ms: u64,
    ) -> Poll<Result<(), ()>> {
        let waiting = queue.len();
        let flushed = queue.poll_flush(&mut self.stream, cx);
        // Taking bytes is a sign of life only while they keep us from reading; v5 [MQTT-3.1.2-22].
        let written = waiting.saturating_sub(queue.len());
        batch.counts.bytes_sent += u64::try_from(written).unwrap_or(u64::MAX);
        if waiting > WRITE_BACKLOG && queue.len() < waiting {
            self.connection.note_alive(now_ms);
        }
        match flushed {
            Poll::Ready(Ok(_)) => {
                if let Some(spare) = queue.take_spare() {
                    batch.give_spare(spare);
                }
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(_)) => Poll::Ready(Err(())),
            Poll::Pending => Poll::Pending,
        }
    }

    /// Keeps the one timer that the state asks for, and acts when it is over.
    ///
    /// The time is the one by which it was decided not to read: by a later one a client that is too fast might be
    /// free to go on, with nothing left to tell it so.
    fn poll_limit(&mut self, cx: &mut Context<'_>, now_ms: u64) -> Poll<EndCause> {
        if self.connection.end() == Some(EndCause::KeepAliveTimeout) {
            // It was to be gone by now, and nothing says that it reads; v5 [MQTT-3.1.2-22].
            return Poll::Ready(EndCause::KeepAliveTimeout);
        }
        let is_arriving = !self.connection.is_open()
            && self.connection.end().is_none()
            && !self.connection.is_deciding();
        if let Some(cause) = self.keep_arrival(is_arriving, cx) {
            return Poll::Ready(cause);
        }
        let wanted = if self.connection.end().is_some() {
            Some((Limit::Farewell, self.door().bounds.idle_timeout))
        } else if self.connection.is_deciding() {
            Some((Limit::Decision, self.door().bounds.access_timeout))
        } else if self.connection.is_waiting() {
            Some((Limit::Room, self.door().core.limits.queue_full_timeout))
        } else if self.connection.is_waiting_for_log() {
            Some((Limit::Log, self.door().core.limits.log_behind_timeout))
        } else {
            let resume_at_ms = self.connection.resume_at_ms(now_ms);
            resume_at_ms.map(|at_ms| (Limit::Rate, Duration::from_millis(at_ms - now_ms)))
        };
        self.keep_timer(wanted);
        let Some(timer) = &mut self.timer else {
            return Poll::Pending;
        };
        if timer.over.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        let limit = timer.limit;
        self.timer = None;
        match limit {
            Limit::Farewell => Poll::Ready(EndCause::ConnectionLost),
            Limit::Rate => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Limit::Room => {
                self.connection.give_up_waiting(now_ms);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Limit::Log => {
                self.connection.give_up_waiting_for_log();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Limit::Decision => {
                self.connection.give_up_deciding();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    /// Keeps a place among those whose CONNECT has not come, and ends the connection when its time is over.
    fn keep_arrival(&mut self, is_arriving: bool, cx: &Context<'_>) -> Option<EndCause> {
        let door = self.places.door();
        if !is_arriving {
            if let Some(arrival) = self.arrival.take() {
                door.arrivals.leave(arrival);
            }
            return None;
        }
        if *door.stop.borrow() {
            return Some(EndCause::ServerShuttingDown);
        }
        let now_ms = door.clock.now_ms();
        match &self.arrival {
            Some(arrival) if door.arrivals.is_over(arrival, now_ms) => {
                Some(EndCause::ConnectTimeout)
            }
            Some(_) => None,
            None => {
                let time_ms =
                    u64::try_from(door.bounds.idle_timeout.as_millis()).unwrap_or(u64::MAX);
                let deadline_ms = now_ms.saturating_add(time_ms);
                self.arrival = Some(door.arrivals.enter(deadline_ms, cx.waker()));
                None
            }
        }
    }

    fn keep_timer(&mut self, wanted: Option<(Limit, Duration)>) {
        let is_kept = match (&self.timer, wanted) {
            (Some(timer), Some((wanted, _))) => timer.limit == wanted,
            (None, None) => true,
            _ => false,
        };
        if !is_kept {
            self.timer = wanted.map(|(limit, time)| {
                let over = Box::pin(sleep(time));
                Box::new(Timer { limit, over })
            });
        }
    }

    /// Changes the connection's lane if it has to move and can.
    fn choose_lane(&mut self, batch: &mut Batch) {
        let lane = self.connection.lane;
        let lanes = &self.places.door().lanes;
        let mut wanted = self.connection.take_wanted_lane();
        if let Some(order) = lanes.order(lane, self.connection.order_seen) {
            self.connection.order_seen = order.number;
            let goes = order.is_for_all()
                || self.connection.publishes()
                    && lanes.is_meant(lane, order)
                    && self.connection.lead(lane, order, batch);
            if goes {
                wanted = Some(order.to);
            }
        }
        let can_move = self.timer.is_none()
            && !self.is_paused
            && self.connection.is_open()
            && self.connection.end().is_none()
            && self.stream.can_move();
        if let Some(wanted) = wanted.filter(|_| can_move)
            && lanes.runtime(wanted).is_some()
        {
            self.connection.lane = wanted;
        }
    }

    pub(super) fn finish(&mut self, cause: EndCause) {
        self.is_done = true;
        if let Some(arrival) = self.arrival.take() {
            self.door().arrivals.leave(arrival);
        }
        let mut batch = BATCH.take().unwrap_or_default();
        self.connection
            .close(cause, &mut batch, self.clock().now_ms());
        BATCH.set(Some(batch));
    }

    /// The code of this connection panicked: it ends, all others go on.
    fn finish_panicked(&mut self) {
        self.door()
            .core
            .counters
            .connections_panicked
            .fetch_add(1, Ordering::Relaxed);
        tracing::error!("a connection's code panicked; the connection ends");
        self.connection.end_with(EndCause::Panicked);
        if catch_unwind(AssertUnwindSafe(|| self.finish(EndCause::Panicked))).is_err() {
            tracing::error!("closing it panicked too");
        }
        self.is_done = true;
    }
}

/// Hands packets to the connection; whether it had to stop before the end.
fn feed(
    reader: &mut PacketReader,
    connection: &mut Connection,
    bytes: &[u8],
    batch: &mut Batch,
    now_ms: u64,
) -> bool {
    connection.lend_output(batch);
    let fed = reader.feed_shared(bytes, |frame, packet| {
        let Some(packet) = packet else {
            return connection.handle_frame(frame, batch, now_ms);
        };
        batch.packet = Some(packet.clone());
        let verdict = connection.handle_frame(frame, batch, now_ms);
        batch.packet = None;
        verdict
    });
    match fed {
        Ok(Fed::Paused) => true,
        Ok(fed) => {
            if fed == Fed::Stopped && !connection.is_open() {
                connection.note_mistake(bytes, now_ms);
            }
            if !connection.is_open() && reader.buffered() == bytes.len() {
                connection.look_at_first(bytes, now_ms);
            }
            if !connection.is_open() && reader.buffered() > CONNECT_LEN_MAX {
                connection.end_with(EndCause::ConnectExpected);
            }
            false
        }
        Err(error) => {
            if !connection.is_open() {
                connection.note_mistake(bytes, now_ms);
            }
            connection.handle_malformed(error);
            false
        }
    }
}

impl ConnectionTask {
    /// One turn, out of which no panic comes.
    pub(super) fn poll_served(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let task = self;
        // A turn is short: one look at the clock will do.
        let now_ms = task.clock().now_ms();
        // The batch is kept out of reach of a panic: the wakes in it are owed to other connections.
        let mut batch = BATCH.take().unwrap_or_default();
        task.door().core.begin(&mut batch);
        let turn = catch_unwind(AssertUnwindSafe(|| task.poll_turn(cx, &mut batch, now_ms)));
        let finished = catch_unwind(AssertUnwindSafe(|| {
            task.choose_lane(&mut batch);
            task.door().core.finish(&mut batch, now_ms);
        }));
        BATCH.set(Some(batch));
        let turn = finished.and(turn);
        match turn {
            Ok(Poll::Pending) => Poll::Pending,
            Ok(Poll::Ready(cause)) => {
                if catch_unwind(AssertUnwindSafe(|| task.finish(cause))).is_err() {
                    task.finish_panicked();
                }
                // Only now, so that a client that sees the end finds its session settled. All is written; a
                // failing shutdown leaves nothing to be done. Closing a TCP socket says all there is to say.
                if !matches!(task.stream, Stream::Tcp(_)) {
                    let _ = Pin::new(&mut task.stream).poll_shutdown(cx);
                }
                Poll::Ready(())
            }
            Err(_) => {
                task.finish_panicked();
                Poll::Ready(())
            }
        }
    }
}

impl Drop for ConnectionTask {
    /// The runtime is going down with the connection still open: its session must still learn of it.
    fn drop(&mut self) {
        if !self.is_done {
            self.finish(EndCause::ServerShuttingDown);
        }
    }
}

#[cfg(all(test, target_pointer_width = "64"))]
mod tests {
    use crate::access::ClientInfo;
    use crate::core::connection::Open;
    use crate::core::message::Message;
    use crate::core::session_cell::SessionCell;
    use crate::net::served::Served;

    /// The sizes in `docs/design/memory.md`, which most of the memory of idle connections is made of.
    #[test]
    fn what_an_idle_connection_is_made_of_does_not_grow_unnoticed() {
        let sizes = [
            ("Served", size_of::<Served>(), 280),
            ("SessionCell", size_of::<SessionCell>(), 352),
            ("Open", size_of::<Open>(), 104),
            ("ClientInfo", size_of::<ClientInfo>(), 120),
            ("Message", size_of::<Message>(), 72),
        ];
        for (name, size, size_max) in sizes {
            println!("{name} {size}");
            assert!(size <= size_max, "{name}: {size} bytes, {size_max} allowed");
        }
    }
}
