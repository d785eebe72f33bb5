//! The driver: the one task that connects, reads, writes and waits for a client.

use crate::command::{Command, Control};
use crate::core::{Core, Disconnected, Ending};
use crate::dial::{Dialed, dial};
use crate::earlier::Earlier;
use crate::event::Event;
use crate::mailbox;
use crate::options::Options;
use crate::reconnect::{Backoff, Unanswered};
use crate::servers::Servers;
use crate::shared::{CloseOnDrop, Shared};
use crate::time::{Alarm, millis};
use crate::wire::Wire;
use crate::{Attempt, CloseReason, ConnectError, DisconnectError, limits};
use mqtt_codec::{ProtocolVersion, ReasonCode};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::AsyncWrite;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;

/// Commands taken in one turn, so that reading and writing get theirs.
const COMMANDS_PER_TURN: usize = 256;
/// Places for commands that are kept when all were taken.
const BATCH_KEPT_MAX: usize = 256;

/// The work of one client, made by [`ClientBuilder::build`](crate::ClientBuilder::build): run it in a task.
///
/// It connects when first polled, again when a connection is lost, and resolves when the client has ended. Dropping it
/// closes the connection, and everything that waits on the client ends with [`CloseReason::DriverDropped`].
#[must_use = "a client does nothing while its driver is not polled"]
pub struct Driver(Pin<Box<dyn Future<Output = CloseReason> + Send>>);

impl Driver {
    pub(crate) fn new(parts: DriverParts) -> Self {
        let span = tracing::debug_span!("mqtt_client", client_id = %parts.options.client_id);
        let mut run = Box::pin(parts.run());
        Self(Box::pin(async move {
            poll_fn(|cx| span.in_scope(|| run.as_mut().poll(cx))).await
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

/// A driver before it runs.
#[derive(Debug)]
pub(crate) struct DriverParts {
    /// First, so that it goes first: then everything else that is dropped knows why.
    pub(crate) guard: CloseOnDrop,
    pub(crate) options: Arc<Options>,
    pub(crate) receiver: mailbox::Receiver<Command>,
    pub(crate) control: mpsc::UnboundedReceiver<Control>,
    pub(crate) sender: mailbox::Sender<Command>,
    pub(crate) earlier: Earlier,
}

impl DriverParts {
    async fn run(self) -> CloseReason {
        let Self {
            guard,
            options,
            receiver,
            control,
            sender,
            earlier,
        } = self;
        let shared = Arc::clone(&guard.0);
        let core = Core::new(Arc::clone(&options), Arc::clone(&shared), sender, earlier);
        // Boxed, or there would be a second place for each part of it, for its end.
        let mut work = Box::new(Work::new(options, &shared, (receiver, control), core));
        // Declared last, so that it goes first when the driver is dropped.
        let _guard = guard;
        let Ending {
            reason,
            disconnected,
        } = poll_fn(|cx| work.poll(cx)).await;

        tracing::info!(%reason, "client ends");
        shared.begin_close(reason.clone());
        // Whatever still waits for an answer gets the reason now, before those who wait for all answers hear of it.
        shared.receipts.close();
        let (result, replies, wire) = work.end(&reason, disconnected);
        if let Some(wire) = wire {
            // Boxed, or there would be room for it while the client runs.
            Box::pin(wire.close(shared.keeper.clone())).await;
        }
        shared.close_store();
        shared.set_closed();
        for reply in replies {
            // As with the other answers, nobody may be waiting.
            let _ = reply.send(result.clone());
        }
        reason
    }
}

/// A driver at work.
struct Work {
    core: Core,
    options: Arc<Options>,
    shared: Arc<Shared>,
    receiver: mailbox::Receiver<Command>,
    control: mpsc::UnboundedReceiver<Control>,
    /// Taken from `receiver` and not looked at yet.
    batch: VecDeque<Command>,
    alarm: Alarm,
    phase: Phase,
    servers: Servers,
    backoff: Backoff,
    /// Attempts since the last connection.
    attempts: u32,
    last_error: Option<ConnectError>,
    /// Server References followed since the last connection that lasted.
    redirects: u32,
    /// When the server accepted the connection in use.
    accepted_ms: Option<u64>,
    unanswered: Unanswered,
}

/// How the driver stands to its server.
enum Phase {
    /// The next attempt begins at this moment.
    Waiting(u64),
    Dialing {
        dialing: Pin<Box<dyn Future<Output = Result<Dialed, ConnectError>> + Send>>,
        /// When CONNACK has to be here.
        until_ms: u64,
        version: ProtocolVersion,
        server: String,
    },
    Wired(Box<Wire>),
    /// The last words of a connection are sent; the next attempt begins at this moment.
    Closing(Pin<Box<dyn Future<Output = ()> + Send>>, u64),
}

impl Work {
    fn new(
        options: Arc<Options>,
        shared: &Arc<Shared>,
        (receiver, control): (mailbox::Receiver<Command>, mpsc::UnboundedReceiver<Control>),
        core: Core,
    ) -> Self {
        let servers = Servers::new(options.endpoint.clone(), &options.fallback_servers);
        Self {
            core,
            shared: Arc::clone(shared),
            receiver,
            control,
            batch: VecDeque::new(),
            alarm: Alarm::new(),
            phase: Phase::Waiting(0),
            servers,
            backoff: Backoff::new(options.reconnect.clone()),
            options,
            attempts: 0,
            last_error: None,
            redirects: 0,
            accepted_ms: None,
            unanswered: Unanswered::default(),
        }
    }

    /// How disconnecting went, who waits for that, and the wire that has to be closed.
    ///
    /// Apart from what is async, which would have room for all that is in here.
    #[expect(
        clippy::type_complexity,
        reason = "taken apart at once, by the one caller"
    )]
    fn end(
        self: Box<Self>,
        reason: &CloseReason,
        disconnected: Option<Disconnected>,
    ) -> (
        Result<(), DisconnectError>,
        Vec<oneshot::Sender<Result<(), DisconnectError>>>,
        Option<Box<Wire>>,
    ) {
        let Self {
            mut core, phase, ..
        } = *self;
        let (result, replies) = match disconnected {
            Some(disconnected) => (disconnected.result, disconnected.replies),
            None => {
                let reason = reason.clone();
                let closed = Err(crate::ClosedError { reason }.into());
                (closed, core.take_disconnect_replies())
            }
        };
        let wire = match phase {
            Phase::Wired(mut wire) if core.is_accepted => {
                wire.take_output(&mut core);
                Some(wire)
            }
            _ => None,
        };
        (result, replies, wire)
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ending> {
        loop {
            self.core.now_ms = self.shared.now_ms();
            self.core.poll_store(cx);
            let mut progress = self.poll_control(cx);
            progress |= self.poll_commands(cx);
            progress |= self.poll_phase(cx);
            progress |= self.poll_deadline(cx);
            if let Phase::Wired(wire) = &mut self.phase {
                progress |= wire.poll_write(&mut self.core, &self.shared, cx);
            }
            let is_written = match &self.phase {
                Phase::Wired(wire) => wire.is_written(),
                _ => true,
            };
            self.core.settle();
            self.core
                .check_drain(is_written && self.batch.is_empty() && self.receiver.is_empty());
            if let Some(ending) = self.core.ending.take() {
                if let Some(last) = self.handle_ending(ending) {
                    return Poll::Ready(last);
                }
                progress = true;
            }
            if !progress {
                return Poll::Pending;
            }
            if std::mem::take(&mut self.core.has_delivered) && self.reads_on() {
                // The application first: what it is done with need not be kept beside what comes next.
                let _ = pin!(yield_now()).poll(cx);
                return Poll::Pending;
            }
        }
    }

    /// Whether more is likely to be there to be read.
    fn reads_on(&self) -> bool {
        match &self.phase {
            Phase::Wired(wire) => wire.has_read_much(),
            _ => false,
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
        if let Phase::Wired(wire) = &self.phase
            && wire.is_full()
            && !self.core.is_draining()
        {
            return false;
        }
        if self.batch.is_empty() {
            if self.batch.capacity() > BATCH_KEPT_MAX {
                self.batch = VecDeque::new();
            }
            if !self.receiver.poll_take(cx, &mut self.batch) {
                return false;
            }
        }
        let turn = self.batch.len().min(COMMANDS_PER_TURN);
        for command in self.batch.drain(..turn) {
            self.core.handle_command(command);
        }
        true
    }

    fn poll_phase(&mut self, cx: &mut Context<'_>) -> bool {
        match &mut self.phase {
            Phase::Waiting(at_ms) if *at_ms <= self.core.now_ms => {
                self.begin_dialing();
                true
            }
            Phase::Waiting(_) => false,
            Phase::Dialing { dialing, .. } => match dialing.as_mut().poll(cx) {
                Poll::Pending => false,
                Poll::Ready(dialed) => {
                    self.handle_dialed(dialed);
                    true
                }
            },
            Phase::Wired(wire) => {
                let was_accepted = self.core.is_accepted;
                let progress = wire.poll_read(&mut self.core, cx);
                if self.core.is_accepted && !was_accepted {
                    self.handle_accepted();
                }
                progress
            }
            Phase::Closing(closing, at_ms) => match closing.as_mut().poll(cx) {
                Poll::Pending => false,
                Poll::Ready(()) => {
                    self.phase = Phase::Waiting(*at_ms);
                    true
                }
            },
        }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> bool {
        let phase = match &self.phase {
            Phase::Waiting(at_ms) => Some(*at_ms),
            Phase::Wired(wire) => wire.next_deadline_ms(),
            Phase::Dialing { .. } | Phase::Closing(..) => None,
        };
        let deadlines = self.core.next_deadline_ms().into_iter().chain(phase);
        let Some(deadline_ms) = deadlines.min() else {
            return false;
        };
        if deadline_ms > self.core.now_ms {
            let epoch = self.shared.epoch;
            return self.alarm.poll(cx, epoch, deadline_ms).is_ready();
        }
        if let Phase::Wired(wire) = &mut self.phase {
            wire.handle_timeout(&mut self.core);
        }
        self.core.handle_timeout();
        true
    }

    fn begin_dialing(&mut self) {
        let Some(endpoint) = self.servers.current().cloned() else {
            return;
        };
        self.attempts = self.attempts.saturating_add(1);
        let newest = ProtocolVersion::V5; // version: what a client speaks when nothing was chosen
        let older = ProtocolVersion::V311; // version: the one step back when nothing was chosen
        let version = match self.options.version {
            Some(version) => version,
            None if self.servers.is_older() => older,
            None => newest,
        };
        let attempt = Attempt {
            server: endpoint.to_string(),
            number: self.attempts,
            last_error: self.last_error.clone(),
        };
        let server = attempt.server.clone();
        tracing::debug!(%server, number = attempt.number, "connecting");
        let connect_timeout = millis(self.options.connect_timeout);
        self.phase = Phase::Dialing {
            dialing: Box::pin(dial(Arc::clone(&self.options), endpoint, attempt)),
            until_ms: self.core.now_ms.saturating_add(connect_timeout),
            version,
            server,
        };
    }

    fn handle_dialed(&mut self, dialed: Result<Dialed, ConnectError>) {
        let waiting = Phase::Waiting(u64::MAX);
        let Phase::Dialing {
            until_ms,
            version,
            server,
            ..
        } = std::mem::replace(&mut self.phase, waiting)
        else {
            return;
        };
        let begun = dialed.and_then(
            |Dialed {
                 stream,
                 credentials,
             }| {
                self.core.begin(server, version, &credentials, until_ms)?;
                self.core.is_vectored = stream.is_write_vectored();
                let packet_len_max = self.options.packet_len_max.get();
                Ok(Box::new(Wire::new(stream, packet_len_max)))
            },
        );
        match begun {
            Ok(wire) => self.phase = Phase::Wired(wire),
            Err(error) => {
                let reason = CloseReason::ConnectFailed(Arc::new(error));
                self.core.ending = Some(Ending {
                    reason,
                    disconnected: None,
                });
            }
        }
    }

    fn handle_accepted(&mut self) {
        self.servers.succeed();
        self.attempts = 0;
        self.last_error = None;
        self.accepted_ms = Some(self.core.now_ms);
    }

    /// Decides what follows the end of a connection or an attempt; the last ending if nothing does.
    fn handle_ending(&mut self, ending: Ending) -> Option<Ending> {
        if ending.disconnected.is_some() {
            return Some(ending);
        }
        if let Some(accepted_ms) = self.accepted_ms.take() {
            let lasted_ms = self.core.now_ms.saturating_sub(accepted_ms);
            if lasted_ms >= millis(limits::STABLE_AFTER) {
                self.backoff.reset();
                self.redirects = 0;
            }
        }
        let failed = match &ending.reason {
            CloseReason::ConnectFailed(error) => Some(ConnectError::clone(error)),
            _ => None,
        };
        self.note_unanswered(failed.as_ref());
        let server = self.servers.current().map(ToString::to_string);
        let delay = match self.follow(&ending.reason) {
            true => Some(Duration::ZERO),
            false => self.next_delay(&ending.reason, failed.as_ref()),
        };
        self.tell(&ending.reason, failed.as_ref(), server, delay);
        self.last_error = failed;
        let Some(delay) = delay else {
            return Some(ending);
        };
        let at_ms = self.core.now_ms.saturating_add(millis(delay));
        let was_accepted = self.core.is_accepted;
        let waiting = Phase::Waiting(at_ms);
        if let Phase::Wired(mut wire) = std::mem::replace(&mut self.phase, waiting)
            && was_accepted
        {
            wire.take_output(&mut self.core);
            self.phase = Phase::Closing(Box::pin(wire.close(self.shared.keeper.clone())), at_ms);
        }
        self.core.lose(&ending.reason);
        None
    }

    /// Whether the next attempt follows at once, because the server has said where or how to go on.
    fn follow(&mut self, reason: &CloseReason) -> bool {
        let (said, server_reference) = match reason {
            CloseReason::ConnectFailed(error) => match &**error {
                ConnectError::Refused {
                    reason,
                    server_reference,
                    ..
                } => (*reason, server_reference.as_deref()),
                _ => return false,
            },
            CloseReason::ServerDisconnected(disconnect) => {
                (disconnect.reason, disconnect.server_reference.as_deref())
            }
            _ => return false,
        };
        if said == ReasonCode::UNSUPPORTED_PROTOCOL_VERSION {
            let goes_back =
                self.options.version.is_none() && !self.servers.is_older() && self.may_dial_again();
            if goes_back {
                tracing::debug!("the server does not know MQTT 5, trying 3.1.1");
                self.servers.set_older();
            }
            return goes_back;
        }
        let is_permanent = said == ReasonCode::SERVER_MOVED;
        let is_redirect = is_permanent || said == ReasonCode::USE_ANOTHER_SERVER;
        let Some(server_reference) = server_reference.filter(|_| is_redirect) else {
            return false;
        };
        let limit = self.options.reconnect.redirects_max;
        if self.redirects >= limit || !self.may_dial_again() {
            return false;
        }
        self.redirects += 1;
        match self.servers.redirect(server_reference, is_permanent) {
            Ok(to) => {
                let permanent = is_permanent;
                self.shared
                    .events
                    .send(&Event::Redirected { to, permanent });
                true
            }
            Err(error) => {
                tracing::warn!(%error, server_reference, "server reference is none");
                false
            }
        }
    }

    /// Whether there is a way to get another stream at all.
    fn may_dial_again(&self) -> bool {
        !self.options.dial.is_given()
    }

    /// The delay before the next attempt; none when there is no other.
    /// An attempt that failed may have left a CONNECT under way.
    fn note_unanswered(&mut self, failed: Option<&ConnectError>) {
        let is_open = matches!(
            failed,
            Some(ConnectError::Io { .. } | ConnectError::NoAnswer | ConnectError::Timeout)
        );
        if is_open && matches!(self.phase, Phase::Wired(_)) {
            self.unanswered.count = self.unanswered.count.saturating_add(1);
            self.unanswered.at_ms = self.core.now_ms;
        }
    }

    fn is_taken_over(reason: &CloseReason) -> bool {
        let CloseReason::ServerDisconnected(disconnect) = reason else {
            return false;
        };
        disconnect.reason == ReasonCode::SESSION_TAKEN_OVER
    }

    fn next_delay(
        &mut self,
        reason: &CloseReason,
        failed: Option<&ConnectError>,
    ) -> Option<Duration> {
        let policy = &self.options.reconnect;
        let is_first = !self.core.was_accepted;
        let is_own = Self::is_taken_over(reason) && self.unanswered.take(self.core.now_ms);
        let is_retryable = reason.is_retryable() || is_own;
        let may_retry = !policy.is_never() && is_retryable && self.may_dial_again();
        if failed.is_some() {
            let is_retryable = reason.is_retryable() && self.may_dial_again();
            if is_retryable && self.servers.fail() {
                return Some(Duration::ZERO);
            }
            if is_first && !policy.from_start {
                return None;
            }
        }
        if !may_retry {
            return None;
        }
        self.backoff.next_delay()
    }

    fn tell(
        &self,
        reason: &CloseReason,
        failed: Option<&ConnectError>,
        server: Option<String>,
        retry_in: Option<Duration>,
    ) {
        let server = server.unwrap_or_default();
        match failed {
            Some(error) => {
                tracing::warn!(%server, %error, ?retry_in, "connecting failed");
                self.shared.counters.connect_failures.add(1);
                self.shared.events.send(&Event::ConnectFailed {
                    server,
                    error: error.clone(),
                    retry_in,
                });
            }
            None => {
                tracing::warn!(%server, %reason, ?retry_in, "connection lost");
                self.shared.events.send(&Event::Disconnected {
                    reason: reason.clone(),
                    retry_in,
                });
            }
        }
    }
}
