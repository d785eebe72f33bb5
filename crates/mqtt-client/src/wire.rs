//! One transport in use: reading, writing, closing.

use crate::CloseReason;
use crate::Stream;
use crate::core::{Core, count};
use crate::limits::{CLOSE_TIMEOUT, WRITE_QUEUE_LEN, WRITE_QUEUE_LEN_MAX};
use crate::out::Out;
use crate::shared::Shared;
use crate::store::Keeper;
use crate::time::millis;
use bytes::Bytes;
use mqtt_codec::DecodeError;
use mqtt_io::{
    Fed, Frame, PacketReader, READ_CHUNK_LEN, WriteQueue, poll_read_chunk, poll_read_shared,
};
use mqtt_session::ClientError;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

/// One transport in use.
#[derive(Debug)]
pub(crate) struct Wire {
    stream: Stream,
    reader: PacketReader,
    queue: WriteQueue,
    /// Bytes behind those in `queue`, each piece until the store has made durable what it depends on.
    held: VecDeque<Held>,
    /// INVARIANT: the bytes in `held`.
    held_len: usize,
    /// Whether packets wait in `reader` until the application has taken messages.
    paused: bool,
    write_failure: Option<WriteFailure>,
    /// Whether the last read had as many bytes as one can have.
    has_read_much: bool,
}

/// Bytes that wait for the disk.
#[derive(Debug)]
struct Held {
    out: Out,
    barrier: u64,
}

/// Writing failed; what the server sent before may tell why, so reading goes on for a moment.
#[derive(Debug)]
struct WriteFailure {
    error: io::Error,
    give_up_ms: u64,
}

impl WriteFailure {
    fn into_reason(self) -> CloseReason {
        CloseReason::Io(Arc::new(self.error))
    }
}

impl Wire {
    pub(crate) fn new(stream: Stream, packet_len_max: u32) -> Self {
        Self {
            stream,
            reader: PacketReader::new(packet_len_max),
            queue: WriteQueue::new(),
            held: VecDeque::new(),
            held_len: 0,
            paused: false,
            write_failure: None,
            has_read_much: false,
        }
    }

    /// Whether so much waits for the socket that nothing more is taken from the application.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting() >= WRITE_QUEUE_LEN
    }

    /// Whether the last read had as many bytes as one can have, so that there are likely more.
    pub(crate) const fn has_read_much(&self) -> bool {
        self.has_read_much
    }

    /// Whether nothing waits for the socket.
    pub(crate) fn is_written(&self) -> bool {
        self.waiting() == 0
    }

    /// Bytes that wait for the disk or the socket.
    const fn waiting(&self) -> usize {
        self.queue.len() + self.held_len
    }

    pub(crate) fn poll_read(&mut self, core: &mut Core, cx: &mut Context<'_>) -> bool {
        let waiting = self.waiting();
        let Self { stream, reader, .. } = self;
        if self.paused {
            if !core.may_hold_more() {
                return false;
            }
            self.paused = false;
            let fed = reader.feed_shared(&[], |frame, shared| core.handle_frame(frame, shared));
            core.hand_over();
            self.handle_fed(core, fed);
            return true;
        }
        if waiting >= WRITE_QUEUE_LEN_MAX {
            return false;
        }
        let read = poll_read_shared(stream, cx, |bytes, shared| {
            let handle =
                |frame: Frame<'_>, shared: Option<&Bytes>| core.handle_frame(frame, shared);
            (bytes.len(), reader.feed_from(bytes, shared, handle))
        });
        match read {
            Poll::Pending => return false,
            Poll::Ready(Ok((0, _))) => {
                let failure = self.write_failure.take().map(WriteFailure::into_reason);
                core.end(failure.unwrap_or(CloseReason::EndOfStream));
            }
            Poll::Ready(Ok((len, fed))) => {
                self.has_read_much = len == READ_CHUNK_LEN;
                core.hand_over();
                core.handle_received(len);
                self.handle_fed(core, fed);
            }
            Poll::Ready(Err(error)) => core.end(CloseReason::Io(Arc::new(error))),
        }
        true
    }

    fn handle_fed(&mut self, core: &mut Core, fed: Result<Fed, DecodeError>) {
        match fed {
            Ok(Fed::All | Fed::Stopped) => {}
            Ok(Fed::Paused) => self.paused = true,
            Err(error) => core.fail(ClientError::Decode(error)),
        }
    }

    /// When [`Wire::handle_timeout`] has something to do.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.write_failure
            .as_ref()
            .map(|failure| failure.give_up_ms)
    }

    pub(crate) fn handle_timeout(&mut self, core: &mut Core) {
        let is_over = |failure: &mut WriteFailure| failure.give_up_ms <= core.now_ms;
        if let Some(failure) = self.write_failure.take_if(is_over) {
            core.end(failure.into_reason());
        }
        if self.paused {
            // Its answers are behind what the application has not taken; it is alive as far as we know.
            core.handle_received(0);
        }
    }

    pub(crate) fn poll_write(
        &mut self,
        core: &mut Core,
        shared: &Shared,
        cx: &mut Context<'_>,
    ) -> bool {
        self.take_output(core);
        if self.queue.is_empty() || self.write_failure.is_some() {
            return false;
        }
        let (before, waiting) = (self.queue.len(), self.waiting());
        if let Poll::Ready(Err(error)) = self.queue.poll_flush(&mut self.stream, cx) {
            let give_up_ms = core.now_ms.saturating_add(millis(CLOSE_TIMEOUT));
            self.write_failure = Some(WriteFailure { error, give_up_ms });
        }
        let written = before - self.queue.len();
        if written != 0 {
            shared.counters.bytes_sent.add(count(written));
            core.handle_handed(core.pushed.saturating_sub(count(self.waiting())));
        }
        // Room again for commands that were left alone.
        waiting >= WRITE_QUEUE_LEN && self.waiting() < WRITE_QUEUE_LEN
    }

    /// Takes over what the core has encoded.
    pub(crate) fn take_output(&mut self, core: &mut Core) {
        if !core.out.is_empty() {
            let spare = self.queue.take_spare().unwrap_or_default();
            let out = core.out.replace(spare, self.queue.take_spare_woven());
            core.pushed += count(out.len());
            match core.store_reached() {
                None => self.queue.push_woven(out.bytes, out.woven),
                Some(_) => {
                    self.held_len += out.len();
                    self.held.push_back(Held {
                        out,
                        barrier: core.barrier(),
                    });
                }
            }
        }
        if !self.held.is_empty()
            && let Some(reached) = core.store_reached()
        {
            self.let_go(reached);
        }
    }

    /// Lets bytes go whose changes are durable.
    fn let_go(&mut self, reached: u64) {
        while let Some(held) = self.held.pop_front_if(|held| held.barrier <= reached) {
            self.held_len -= held.out.len();
            self.queue.push_woven(held.out.bytes, held.out.woven);
        }
    }

    /// Sends what is left, says that nothing more comes, and waits until the server has closed its side, all that
    /// within [`CLOSE_TIMEOUT`].
    ///
    /// Closing with bytes unread would reset the connection, and the server might lose our DISCONNECT.
    pub(crate) async fn close(mut self, keeper: Option<Arc<Keeper>>) {
        let closed = async {
            while let (Some(keeper), Some(held)) = (&keeper, self.held.front()) {
                keeper.reach(held.barrier).await;
                let reached = keeper.reached();
                if reached < held.barrier {
                    // It never will be, so nothing that depends on it may leave.
                    break;
                }
                self.let_go(reached);
            }
            let Self {
                mut stream,
                mut queue,
                ..
            } = self;
            poll_fn(|cx| queue.poll_flush(&mut stream, cx)).await?;
            stream.shutdown().await?;
            while poll_fn(|cx| poll_read_chunk(&mut stream, cx, |bytes| !bytes.is_empty())).await? {
            }
            Ok::<(), io::Error>(())
        };
        // Either way the connection is over; how long the server takes to see it does not matter.
        let _ = timeout(CLOSE_TIMEOUT, closed).await;
    }
}
