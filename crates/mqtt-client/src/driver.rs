//! The driver: the one task that reads, writes and waits for a client.

use crate::command::{Command, Control};
use crate::core::{Core, Ending, count};
use crate::handshake::{self, Dial, Established, millis};
use crate::limits::{CLOSE_TIMEOUT, WRITE_QUEUE_LEN, WRITE_QUEUE_LEN_MAX};
use crate::options::Options;
use crate::router::Router;
use crate::shared::CloseOnDrop;
use crate::{CloseReason, ConnectError, Stream};
use mqtt_codec::DecodeError;
use mqtt_io::{Fed, PacketReader, WriteQueue, poll_read_chunk};
use mqtt_session::ClientError;
use std::fmt;
use std::future::{Future, poll_fn};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::sync::mpsc;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// Commands taken in one turn, so that reading and writing get theirs.
const COMMANDS_PER_TURN: usize = 256;

/// The work of one client, made by [`ClientBuilder::build`](crate::ClientBuilder::build): run it in a task.
///
/// It connects when first polled and resolves when the connection has ended. Dropping it closes the connection, and
/// everything that waits on the client ends with [`CloseReason::DriverDropped`].
#[must_use = "a client does nothing while its driver is not polled"]
pub struct Driver(Pin<Box<dyn Future<Output = CloseReason> + Send>>);

impl Driver {
    pub(crate) fn new(parts: DriverParts, dial: Dial) -> Self {
        Self(Box::pin(async move {
            match parts.handshake(dial).await {
                Ok(established) => parts.run(established).await,
                Err(error) => {
                    let reason = CloseReason::ConnectFailed(Arc::new(error));
                    parts.guard.0.begin_close(reason.clone());
                    reason
                }
            }
        }))
    }
}

impl Future for Driver {
    type Output = CloseReason;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<CloseReason> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Driver")
    }
}

/// A driver before it is connected.
#[derive(Debug)]
pub(crate) struct DriverParts {
    /// First, so that it goes first: then everything else that is dropped knows why.
    pub(crate) guard: CloseOnDrop,
    pub(crate) options: Options,
    pub(crate) receiver: mpsc::UnboundedReceiver<Command>,
    pub(crate) control: mpsc::UnboundedReceiver<Control>,
    pub(crate) sender: mpsc::UnboundedSender<Command>,
}

impl DriverParts {
    pub(crate) async fn handshake(&self, dial: Dial) -> Result<Established, ConnectError> {
        let established = handshake::connect(&self.options, dial).await?;
        self.guard.0.set_connected(Arc::clone(&established.connack));
        Ok(established)
    }

    pub(crate) async fn run(self, established: Established) -> CloseReason {
        let Self {
            guard,
            options,
            receiver,
            control,
            sender,
        } = self;
        let shared = Arc::clone(&guard.0);
        let Established {
            stream,
            reader,
            connection,
            connack,
            epoch,
        } = established;
        let router = Router::new(first_subscription_id(connack.session_present));
        let hold_max = usize::from(options.receive_maximum.get());
        let core = Core::new(connection, router, Arc::clone(&shared), sender, hold_max);
        let mut running = Running::new(stream, reader, core, (receiver, control), epoch);
        // Declared last, so that it goes first when the driver is dropped.
        let _guard = guard;
        let Ending {
            reason,
            disconnected,
            replies,
        } = poll_fn(|cx| running.poll(cx)).await;

        tracing::debug!(%reason, "connection ends");
        shared.begin_close(reason.clone());
        let Running {
            stream,
            queue,
            core,
            receiver,
            control,
            ..
        } = running;
        // Whatever still waits for an answer gets the reason now.
        drop((core, receiver, control));
        // Either way the connection is over; how long the server takes to see it does not matter.
        let _ = timeout(CLOSE_TIMEOUT, close(stream, queue)).await;
        shared.set_closed();
        for reply in replies {
            // As with the other answers, nobody may be waiting.
            let _ = reply.send(disconnected.clone());
        }
        reason
    }
}

/// A connection in use.
#[derive(Debug)]
struct Running {
    stream: Stream,
    reader: PacketReader,
    queue: WriteQueue,
    core: Core,
    receiver: mpsc::UnboundedReceiver<Command>,
    control: mpsc::UnboundedReceiver<Control>,
    batch: Vec<Command>,
    /// The moment that counts as 0 ms.
    epoch: Instant,
    alarm: Alarm,
    /// Whether packets wait in `reader` until the application has taken messages.
    paused: bool,
    write_failure: Option<WriteFailure>,
}

impl Running {
    fn new(
        stream: Stream,
        reader: PacketReader,
        core: Core,
        (receiver, control): (
            mpsc::UnboundedReceiver<Command>,
            mpsc::UnboundedReceiver<Control>,
        ),
        epoch: Instant,
    ) -> Self {
        Self {
            stream,
            reader,
            queue: WriteQueue::new(),
            core,
            receiver,
            control,
            batch: Vec::new(),
            epoch,
            alarm: Alarm {
                sleep: None,
                at_ms: u64::MAX,
            },
            // Packets that came with CONNACK wait in the reader.
            paused: true,
            write_failure: None,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            self.core.now_ms = millis(self.epoch.elapsed());
            let mut progress = self.poll_control(cx);
            progress |= self.poll_commands(cx);
            progress |= self.poll_read(cx);
            progress |= self.poll_deadline(cx);
            progress |= self.poll_write(cx);
            self.core
                .check_drain(self.receiver.is_empty() && self.queue.is_empty());
            if let Some(ending) = self.core.ending.take() {
                self.queue.push(std::mem::take(&mut self.core.out));
                return Poll::Ready(ending);
            }
            if !progress {
                return Poll::Pending;
            }
        }
    }

    fn poll_control(&mut self, cx: &mut Context<'_>) -> bool {
        match self.control.poll_recv(cx) {
            Poll::Ready(Some(control)) => {
                self.core.handle_control(control);
                true
            }
            Poll::Ready(None) | Poll::Pending => false,
        }
    }

    fn poll_commands(&mut self, cx: &mut Context<'_>) -> bool {
        // At the end nothing new comes, and what is here may not hold up the deadline.
        if self.queue.len() >= WRITE_QUEUE_LEN && !self.core.is_draining() {
            return false;
        }
        let polled = self
            .receiver
            .poll_recv_many(cx, &mut self.batch, COMMANDS_PER_TURN);
        for command in self.batch.drain(..) {
            self.core.handle_command(command);
        }
        polled.is_ready()
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> bool {
        let Self {
            stream,
            reader,
            core,
            ..
        } = self;
        if self.paused {
            if !core.may_hold_more() {
                return false;
            }
            self.paused = false;
            let fed = reader.feed(&[], |frame| core.handle_frame(frame));
            self.handle_fed(fed);
            return true;
        }
        if self.queue.len() >= WRITE_QUEUE_LEN_MAX {
            return false;
        }
        let read = poll_read_chunk(stream, cx, |bytes| {
            (
                bytes.len(),
                reader.feed(bytes, |frame| core.handle_frame(frame)),
            )
        });
        match read {
            Poll::Pending => return false,
            Poll::Ready(Ok((0, _))) => {
                let failure = self.write_failure.take().map(WriteFailure::into_reason);
                self.core.end(failure.unwrap_or(CloseReason::EndOfStream));
            }
            Poll::Ready(Ok((_, fed))) => {
                self.core.connection.handle_received(self.core.now_ms);
                self.handle_fed(fed);
            }
            Poll::Ready(Err(error)) => self.core.end(CloseReason::Io(Arc::new(error))),
        }
        true
    }

    fn handle_fed(&mut self, fed: Result<Fed, DecodeError>) {
        match fed {
            Ok(Fed::All | Fed::Stopped) => {}
            Ok(Fed::Paused) => self.paused = true,
            Err(error) => self.core.fail(ClientError::Decode(error)),
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> bool {
        let failure = self
            .write_failure
            .as_ref()
            .map(|failure| failure.give_up_ms);
        let deadlines = self.core.next_deadline_ms().into_iter().chain(failure);
        let Some(deadline_ms) = deadlines.min() else {
            return false;
        };
        if deadline_ms <= self.core.now_ms {
            if failure == Some(deadline_ms)
                && let Some(failure) = self.write_failure.take()
            {
                self.core.end(failure.into_reason());
            }
            if self.paused {
                // Its answers are behind what the application has not taken; it is alive as far as we know.
                self.core.connection.handle_received(self.core.now_ms);
            }
            self.core.handle_timeout();
            return true;
        }
        self.alarm.poll(cx, self.epoch, deadline_ms).is_ready()
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> bool {
        if !self.core.out.is_empty() {
            let out = std::mem::take(&mut self.core.out);
            self.core.pushed += count(out.len());
            self.queue.push(out);
            self.core.out = self.queue.take_spare().unwrap_or_default();
        }
        if self.queue.is_empty() || self.write_failure.is_some() {
            return false;
        }
        let before = self.queue.len();
        if let Poll::Ready(Err(error)) = self.queue.poll_flush(&mut self.stream, cx) {
            let give_up_ms = self.core.now_ms.saturating_add(millis(CLOSE_TIMEOUT));
            self.write_failure = Some(WriteFailure { error, give_up_ms });
        }
        self.core
            .handle_handed(self.core.pushed.saturating_sub(count(self.queue.len())));
        // Room again for commands that were left alone.
        before >= WRITE_QUEUE_LEN && self.queue.len() < WRITE_QUEUE_LEN
    }
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

/// A timer that is set again only when it is too late or has gone off, since deadlines mostly move back.
#[derive(Debug)]
struct Alarm {
    sleep: Option<Pin<Box<Sleep>>>,
    at_ms: u64,
}

impl Alarm {
    fn poll(&mut self, cx: &mut Context<'_>, epoch: Instant, deadline_ms: u64) -> Poll<()> {
        if deadline_ms < self.at_ms {
            let at = epoch + Duration::from_millis(deadline_ms);
            match &mut self.sleep {
                Some(sleep) => sleep.as_mut().reset(at),
                None => self.sleep = Some(Box::pin(sleep_until(at))),
            }
            self.at_ms = deadline_ms;
        }
        let Some(sleep) = &mut self.sleep else {
            return Poll::Pending;
        };
        let polled = sleep.as_mut().poll(cx);
        if polled.is_ready() {
            self.at_ms = u64::MAX;
        }
        polled
    }
}

/// Sends what is left, says that nothing more comes, and waits until the server has closed its side.
///
/// Closing with bytes unread would reset the connection, and the server might lose our DISCONNECT.
async fn close(mut stream: Stream, mut queue: WriteQueue) -> io::Result<()> {
    poll_fn(|cx| queue.poll_flush(&mut stream, cx)).await?;
    stream.shutdown().await?;
    while poll_fn(|cx| poll_read_chunk(&mut stream, cx, |bytes| !bytes.is_empty())).await? {}
    Ok(())
}

/// Where Subscription Identifiers start.
///
/// A session the server continues has messages with those of an earlier run, which are small; they must not be taken
/// for ours.
fn first_subscription_id(session_present: bool) -> u32 {
    if !session_present {
        return 1;
    }
    let random = u32::try_from(RandomState::new().hash_one(()) >> 38).unwrap_or(0);
    (1 << 20) + random
}
