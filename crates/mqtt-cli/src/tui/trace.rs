//! The packets of the connection, in a line each.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, SystemTime},
};

use mqtt_client::Stream;
use mqtt_dissect::{Conversation, Settings, Side, Start, Style};
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio_util::io::{InspectReader, InspectWriter};

/// Lines that wait for the screen; those behind them are counted.
const LINES_MAX: usize = 1_000;

/// Where the lines come from.
pub(super) struct Trace {
    lines: Receiver<String>,
    sender: Sender<String>,
    left_out: Arc<AtomicU64>,
}

impl Trace {
    pub(super) fn new() -> Self {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        Self {
            lines,
            sender,
            left_out: Arc::default(),
        }
    }

    /// The next line; never none, since this holds a sender.
    pub(super) async fn next(&mut self) -> Option<String> {
        let line = self.lines.recv().await?;
        match self.left_out.swap(0, Relaxed) {
            0 => Some(line),
            // It was full, so there is a line to put this to.
            left_out => Some(format!("{line} (and {left_out} packets later)")),
        }
    }

    /// What has the client's streams of bytes looked at.
    pub(super) fn wrapper(&self) -> impl Fn(Stream) -> Stream + Send + Sync + 'static {
        let (sender, left_out) = (self.sender.clone(), Arc::clone(&self.left_out));
        move |stream| {
            let seen = Arc::new(Mutex::new(Seen {
                conversation: Conversation::new(Settings::default(), Start::Beginning),
                sender: sender.clone(),
                left_out: Arc::clone(&left_out),
            }));
            let sent = Arc::clone(&seen);
            let reader = InspectReader::new(stream, move |bytes| take(&seen, Side::Server, bytes));
            let writer = InspectWriter::new(reader, move |bytes| take(&sent, Side::Client, bytes));
            Stream::other(writer)
        }
    }
}

/// One connection.
struct Seen {
    conversation: Conversation,
    sender: Sender<String>,
    left_out: Arc<AtomicU64>,
}

fn take(seen: &Mutex<Seen>, side: Side, bytes: &[u8]) {
    // Nothing panics while it is held.
    let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
    let time = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let time: Option<Duration> = time.ok();
    for packet in seen.conversation.feed(side, time, bytes) {
        let line = packet.to_line(Style::default());
        if seen.sender.try_send(line).is_err() {
            seen.left_out.fetch_add(1, Relaxed);
        }
    }
}
