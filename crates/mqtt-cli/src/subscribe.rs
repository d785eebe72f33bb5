//! `mqtt sub`: prints what comes until something ends it.

use std::{
    io::{self, BufWriter, Write},
    pin::pin,
    process::ExitCode,
    time::Duration,
};

use mqtt_client::{Client, SubscribeError, Subscription};
use tokio::{runtime::Handle, sync::oneshot, task::spawn_blocking, time::timeout};

use crate::{
    args::{PropertyCommand, SubscribeArgs},
    connection::{self, connect, disconnect, interruption},
    exit::Failure,
    print::{Form, Print},
};

/// Messages of QoS 0 that wait for a slow reader of stdout; above it the oldest are dropped, and
/// that is told.
const WAITING_MAX: usize = 65_536;

/// How long a signal waits for the last messages to be printed.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The packets that can be given properties.
const SENDS: [PropertyCommand; 4] = [
    PropertyCommand::Connect,
    PropertyCommand::Will,
    PropertyCommand::Subscribe,
    PropertyCommand::Disconnect,
];

/// Runs the command.
pub(crate) fn run(args: SubscribeArgs) -> Result<ExitCode, Failure> {
    let (debug, quiet) = (args.connection.debug, args.connection.quiet);
    connection::run(debug, quiet, receive(args))
}

async fn receive(mut args: SubscribeArgs) -> Result<ExitCode, Failure> {
    args.connection.check("mqtt sub", &SENDS, false)?;
    let topic_filters = args.topic_filters()?;
    let mut interruption = pin!(interruption(args.timeout.map(Duration::from_secs))?);
    let client = tokio::select! {
        code = &mut interruption => return Ok(code),
        client = connect(&args.connection) => client?,
    };
    // Dropped before the connection's end, it would unsubscribe what a kept session has.
    let mut subscribing = pin!(subscribe(&client, &args, &topic_filters));
    let outcome = tokio::select! {
        code = &mut interruption => Ok(Err(code)),
        subscribed = &mut subscribing => subscribed.map(Ok),
    };
    let outcome = match outcome {
        Ok(Ok(subscription)) => {
            let printer = Printer::new(&client, subscription, &args);
            print_until(interruption, printer).await
        }
        Ok(Err(code)) => Ok(code),
        Err(failure) => Err(failure),
    };
    // Everything that was wanted is here: how the connection ends changes nothing.
    let _ = disconnect(&client, &args.connection).await;
    outcome
}

/// Prints until the printer has done its work or `interruption` ends it.
async fn print_until(
    interruption: impl Future<Output = ExitCode>,
    printer: Printer,
) -> Result<ExitCode, Failure> {
    // A thread of its own may wait for whoever reads stdout without keeping a signal from ending
    // the command.
    let (running, stopped) = oneshot::channel();
    let runtime = Handle::current();
    let mut printer = spawn_blocking(move || runtime.block_on(printer.run(stopped)));
    tokio::select! {
        code = interruption => {
            drop(running);
            // It prints what it has taken, unless nobody reads.
            let _ = timeout(LAST_WORDS, printer).await;
            Ok(code)
        }
        printed = &mut printer => printed
            .unwrap_or_else(|error| Err(Failure::run_time(format_args!("cannot print: {error}")))),
    }
}

async fn subscribe(
    client: &Client,
    args: &SubscribeArgs,
    topic_filters: &[String],
) -> Result<Subscription, Failure> {
    let mut request = client
        .subscribe_many(topic_filters)
        .qos(args.qos)
        .capacity(WAITING_MAX);
    for (name, value) in args.connection.properties.subscribe().user_properties {
        request = request.user_property(name, value);
    }
    request.await.map_err(|error| {
        let topics = topic_filters.iter().map(String::as_str);
        let refused: Vec<_> = match &error {
            SubscribeError::Refused { reasons, .. } => topics
                .zip(reasons)
                .filter_map(|(topic, reason)| reason.is_error().then_some(topic))
                .collect(),
            _ => topics.collect(),
        };
        let refused = refused.join(", ");
        Failure::run_time(format_args!("cannot subscribe to {refused}: {error}"))
    })
}

/// Prints the messages of one subscription.
struct Printer {
    client: Client,
    subscription: Subscription,
    print: Print,
    /// Messages still wanted; `None` for all.
    left: Option<u64>,
}

impl Printer {
    fn new(client: &Client, subscription: Subscription, args: &SubscribeArgs) -> Self {
        tracing::debug!(reasons = ?subscription.reasons(), "subscribed");
        Self {
            client: client.clone(),
            subscription,
            print: Print {
                form: match &args.format {
                    Some(format) if args.pretty => Form::Format(format.clone().pretty()),
                    Some(format) => Form::Format(format.clone()),
                    None if args.verbose => Form::Topic,
                    None => Form::Payload,
                },
                newline: !args.no_newline,
            },
            left: args.count,
        }
    }

    /// Prints until `stopped`, or until there is nothing more to do.
    async fn run(mut self, stopped: oneshot::Receiver<()>) -> Result<ExitCode, Failure> {
        let outcome = tokio::select! {
            _ = stopped => Ok(()),
            printed = self.print_all() => printed,
        };
        let dropped = self.subscription.dropped() + self.client.unclaimed().dropped();
        // A session that is kept keeps its subscription; any other ends with the connection.
        self.subscription.detach();
        outcome?;
        if dropped > 0 {
            return Err(Failure::run_time(format_args!(
                "{dropped} messages of QoS 0 were dropped, stdout was read too slowly"
            )));
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn print_all(&mut self) -> Result<(), Failure> {
        let mut out = BufWriter::new(io::stdout());
        let mut unclaimed = self.client.unclaimed();
        while self.left != Some(0) {
            let next = tokio::select! {
                message = self.subscription.next() => message,
                // A session that was kept: what its earlier subscriptions still bring.
                message = unclaimed.next() => message,
            };
            let Some(message) = next else {
                let reason = self.client.closed().await;
                return Err(Failure::run_time(format_args!(
                    "connection closed: {reason}"
                )));
            };
            self.left = self.left.map(|left| left - 1);
            let printed = self.print.print(&mut out, &message).map(|failed| {
                if let Some(failed) = failed {
                    let topic_name = message.topic_name();
                    // With stderr closed nobody is left to tell.
                    let _ = writeln!(io::stderr(), "mqtt: {failed}, topic {topic_name}");
                }
            });
            // A reader has each message at once, but a burst is written as one.
            let flushed = match printed {
                Ok(()) if self.subscription.is_empty() || self.left == Some(0) => out.flush(),
                printed => printed,
            };
            match flushed {
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(()),
                flushed => flushed.map_err(|error| {
                    Failure::run_time(format_args!("cannot write to stdout: {error}"))
                })?,
            }
        }
        Ok(())
    }
}
