//! The packets on their way to the screen.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use mqtt_client::Stream;
use tokio::sync::mpsc::{self, Receiver, Sender};

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
        crate::trace::packets(move |line| {
            if sender.try_send(line).is_err() {
                left_out.fetch_add(1, Relaxed);
            }
        })
    }
}
