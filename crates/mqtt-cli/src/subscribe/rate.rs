//! How much comes: `--message-rate` and `--stats`.

use std::{
    future::pending,
    io::{self, Write},
    time::Duration,
};

use mqtt_client::Message;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::args::SubscribeArgs;

const SECOND: Duration = Duration::from_secs(1);

/// Counts messages.
pub(super) struct Rate {
    /// Whether counts are printed in place of messages.
    instead: bool,
    /// Whether they are told on stderr.
    stats: bool,
    ticks: Option<Interval>,
    started: Instant,
    second: Count,
    all: Count,
}

/// What came in some time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Count {
    messages: u64,
    bytes: u64,
}

impl Count {
    fn add(&mut self, message: &Message) {
        self.messages += 1;
        self.bytes += u64::try_from(message.payload().len()).unwrap_or(0);
    }
}

impl Rate {
    pub(super) fn new(args: &SubscribeArgs) -> Self {
        let is_wanted = args.message_rate || args.stats;
        Self {
            instead: args.message_rate,
            stats: args.stats,
            ticks: is_wanted.then(|| {
                let mut ticks = interval_at(Instant::now() + SECOND, SECOND);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                ticks
            }),
            started: Instant::now(),
            second: Count::default(),
            all: Count::default(),
        }
    }

    pub(super) const fn replaces_messages(&self) -> bool {
        self.instead
    }

    pub(super) fn count(&mut self, message: &Message) {
        if self.ticks.is_some() {
            self.second.add(message);
            self.all.add(message);
        }
    }

    /// What came in the second that ends now; never where nobody wants to know.
    ///
    /// Cancel safety: a dropped call forgets nothing.
    pub(super) async fn next(&mut self) -> Count {
        match &mut self.ticks {
            None => pending().await,
            Some(ticks) => {
                ticks.tick().await;
                std::mem::take(&mut self.second)
            }
        }
    }

    /// Prints what came in a second.
    pub(super) fn write(&self, out: &mut dyn Write, count: Count) -> io::Result<()> {
        let Count { messages, bytes } = count;
        if self.stats {
            let all = self.all.messages;
            tell(format_args!(
                "{messages} messages/s, {bytes} bytes/s, {all} messages in all"
            ));
        }
        match self.instead {
            true => writeln!(out, "{messages}"),
            false => Ok(()),
        }
    }

    /// Tells what came in all.
    pub(super) fn finish(&self) {
        if self.stats {
            let Count { messages, bytes } = self.all;
            let seconds = self.started.elapsed().as_secs_f64();
            tell(format_args!(
                "{messages} messages, {bytes} bytes in {seconds:.1} s"
            ));
        }
    }
}

fn tell(line: std::fmt::Arguments<'_>) {
    // With stderr closed nobody is left to tell.
    let _ = writeln!(io::stderr(), "mqtt: {line}");
}
