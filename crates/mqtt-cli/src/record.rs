//! `mqtt record`: messages into a file.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    pin::pin,
    process::ExitCode,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use mqtt_client::{Client, RetainHandling, Subscription};
use mqtt_record::{LineTooLong, Record, Writer};

use crate::{
    args::RecordArgs,
    connection::{self, connect, interruption},
    exit::Failure,
    progress::Progress,
};

/// Messages that wait to be written.
const WAITING_MAX: usize = 65_536;

/// Runs the command.
pub(crate) fn run(args: &RecordArgs) -> Result<ExitCode, Failure> {
    connection::run(args.connection.debug, args.connection.quiet, record(args))
}

async fn record(args: &RecordArgs) -> Result<ExitCode, Failure> {
    // A recording that is ended is a whole one, by whatever ends it.
    let mut interruption = pin!(interruption(args.seconds.map(Duration::from_secs))?);
    let out: Box<dyn Write + Send> = match &args.output {
        Some(path) => Box::new(File::create(path).map_err(|error| {
            Failure::run_time(format_args!("cannot write {}: {error}", path.display()))
        })?),
        None => Box::new(io::stdout()),
    };
    let client = tokio::select! {
        code = &mut interruption => return Ok(code),
        client = connect(&args.connection) => client?,
    };
    let mut subscription = subscribe(&client, args).await?;
    let mut recording = Recording::begin(out)?;
    let outcome = tokio::select! {
        _ = &mut interruption => Ok(()),
        written = recording.take_all(&client, &mut subscription, args) => written,
    };
    let _ = client.disconnect().timeout(Duration::from_secs(1)).await;
    let ended = recording.end();
    outcome?;
    let (count, too_long) = ended?;
    if !args.connection.quiet {
        let _ = writeln!(io::stderr(), "mqtt: {count} messages recorded");
    }
    whole(subscription.dropped(), too_long).map(|()| ExitCode::SUCCESS)
}

/// Whether a recording has all that came, whatever has ended it.
fn whole(dropped: u64, too_long: u64) -> Result<(), Failure> {
    match (dropped, too_long) {
        (0, 0) => Ok(()),
        (0, too_long) => Err(Failure::run_time(format_args!(
            "{too_long} messages were not recorded: {LineTooLong}"
        ))),
        (dropped, _) => Err(Failure::run_time(format_args!(
            "{dropped} messages of QoS 0 were dropped, they were written too slowly"
        ))),
    }
}

async fn subscribe(client: &Client, args: &RecordArgs) -> Result<Subscription, Failure> {
    let request = client
        .subscribe_many(args.topic_filters.iter().cloned())
        .qos(args.qos)
        .capacity(WAITING_MAX);
    let request = match (has_options(client), args.no_retained) {
        (false, _) => request,
        (true, false) => request.retain_as_published(),
        (true, true) => request
            .retain_as_published()
            .retain_handling(RetainHandling::DoNotSend),
    };
    request.await.map_err(|error| {
        Failure::run_time(format_args!(
            "cannot subscribe to {}: {error}",
            args.topic_filters.join(", ")
        ))
    })
}

/// Whether a subscription can say how messages are retained.
fn has_options(client: &Client) -> bool {
    let connack = client.connack();
    connack.is_some_and(|connack| connack.version.has_properties())
}

/// A file that grows.
struct Recording {
    writer: Writer<BufWriter<Box<dyn Write + Send>>>,
    start: Instant,
    count: u64,
    /// Messages that `mqtt replay` would refuse, which are left out.
    too_long: u64,
    progress: Progress,
    /// Whether nobody reads any more.
    is_unread: bool,
}

impl Recording {
    fn begin(out: Box<dyn Write + Send>) -> Result<Self, Failure> {
        let started = SystemTime::now().duration_since(UNIX_EPOCH);
        let writer = Writer::begin(BufWriter::new(out), started.unwrap_or_default());
        Ok(Self {
            writer: writer.map_err(unwritten)?,
            start: Instant::now(),
            count: 0,
            too_long: 0,
            progress: Progress::new(),
            is_unread: false,
        })
    }

    /// Writes messages until there are as many as are wanted.
    async fn take_all(
        &mut self,
        client: &Client,
        subscription: &mut Subscription,
        args: &RecordArgs,
    ) -> Result<(), Failure> {
        // Without the options, what was retained before is what comes as retained.
        let skips_retained = args.no_retained && !has_options(client);
        while args.count != Some(self.count) && !self.is_unread {
            let Some(message) = subscription.next().await else {
                let reason = client.closed().await;
                return Err(Failure::run_time(format_args!(
                    "connection closed: {reason}"
                )));
            };
            if skips_retained && message.retain() {
                continue;
            }
            let record = Record::of_message(self.start.elapsed(), &message);
            let written = self.writer.write(&record);
            if written.as_ref().is_err_and(is_too_long) {
                self.too_long += 1;
                continue;
            }
            self.count += 1;
            let written = written.and_then(|()| {
                // A burst is written as one.
                match subscription.is_empty() {
                    true => self.writer.flush(),
                    false => Ok(()),
                }
            });
            self.is_unread = is_unread(written)?;
            self.progress.show(format_args!("{} messages", self.count));
        }
        Ok(())
    }

    fn end(mut self) -> Result<(u64, u64), Failure> {
        is_unread(self.writer.flush()).map(|_| (self.count, self.too_long))
    }
}

fn is_too_long(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(|inner| inner.is::<LineTooLong>())
}

/// A reader that has seen enough, as `head` does, is no failure.
fn is_unread(written: io::Result<()>) -> Result<bool, Failure> {
    match written {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        Err(error) => Err(unwritten(error)),
    }
}

fn unwritten(error: io::Error) -> Failure {
    Failure::run_time(format_args!("cannot write the recording: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recording_with_gaps_is_a_failure() {
        assert!(whole(0, 0).is_ok());
        let line = whole(0, 2).unwrap_err().into_line();
        assert!(line.starts_with("2 messages were not recorded: "), "{line}");
        let line = whole(3, 2).unwrap_err().into_line();
        assert!(
            line.starts_with("3 messages of QoS 0 were dropped"),
            "{line}"
        );
    }
}
