//! `mqtt sub`: prints what comes until something ends it.

mod output;
mod rate;
mod select;

use std::{
    cell::Cell,
    collections::VecDeque,
    io::{self, Write},
    num::NonZeroUsize,
    pin::pin,
    process::ExitCode,
    time::Duration,
};

use mqtt_client::{
    Client, Event, Events, Message, QoS, Receipt, Reconnect, RetainHandling, SubscribeError,
    Subscription,
};
use output::Output;
use rate::Rate;
use select::Selection;
use tokio::{
    runtime::Handle,
    sync::oneshot,
    task::{JoinError, spawn_blocking},
    time::timeout,
};

use crate::{
    args::{PropertyCommand, SubscribeArgs},
    connection::{self, connect_to_print, disconnect_as, interruption},
    exit::Failure,
};

/// Messages of QoS 0 that wait for a slow reader of stdout; above it the oldest are dropped, and
/// that is told.
const WAITING_MAX: usize = 65_536;

/// Retained messages that are being removed at a time, unless `-M` says so.
const REMOVALS_MAX: usize = 1_024;

/// How long a signal waits for the last messages to be printed.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// The packets that can be given properties.
const SENDS: [PropertyCommand; 5] = [
    PropertyCommand::Connect,
    PropertyCommand::Will,
    PropertyCommand::Subscribe,
    PropertyCommand::Unsubscribe,
    PropertyCommand::Disconnect,
];

/// Runs the command.
pub(crate) fn run(args: SubscribeArgs) -> Result<ExitCode, Failure> {
    let (debug, quiet) = (args.connection.debug, args.connection.quiet);
    connection::run(debug, quiet, receive(args))
}

async fn receive(mut args: SubscribeArgs) -> Result<ExitCode, Failure> {
    let version = args.connection.protocol_version;
    let needs_v5 = args.has_options_of_v5();
    if needs_v5 && version.is_some_and(|version| !version.has_properties()) {
        return Err(Failure::usage(
            "--no-local, --retain-as-published, --retain-handling and --sub-id are of MQTT 5",
        ));
    }
    let sends = PropertyCommand::sent(args.is_mosquitto, &SENDS);
    args.connection.check("mqtt sub", sends, needs_v5)?;
    let topic_filters = args.topic_filters()?;
    let output = Output::open(&args)?;
    let is_interrupted = Cell::new(false);
    let interruption = interruption(args.timeout.map(Duration::from_secs))?;
    let mut interruption = pin!(async {
        let code = interruption.await;
        is_interrupted.set(true);
        code
    });
    let client = tokio::select! {
        code = &mut interruption => return Ok(code),
        client = connect_to_print(&args.connection, Reconnect::new()) => client?,
    };
    // Dropped before the connection's end, it would unsubscribe what a kept session has.
    let mut subscribing = pin!(subscribe(&client, &args, &topic_filters));
    let outcome = tokio::select! {
        code = &mut interruption => Ok(Err(code)),
        subscribed = &mut subscribing => subscribed.map(Ok),
    };
    let outcome = match outcome {
        Ok(Ok(subscription)) if args.end_when_subscribed => {
            // A session that is kept keeps it.
            subscription.into_iter().for_each(Subscription::detach);
            Ok(ExitCode::SUCCESS)
        }
        Ok(Ok(subscription)) => {
            if !args.connection.quiet {
                tokio::spawn(tell(client.events()));
            }
            let printer = Printer::new(&client, subscription, &args, output);
            print_until(interruption, printer).await
        }
        Ok(Err(code)) => Ok(code),
        Err(failure) => Err(failure),
    };
    let has_end = args.is_mosquitto && is_interrupted.get();
    // Everything that was wanted is here: how the connection ends changes nothing.
    let _ = disconnect_as(&client, &args.connection, has_end).await;
    outcome
}

/// Tells on stderr when the connection is lost and when it is there again.
async fn tell(mut events: Events) {
    let mut is_lost = false;
    while let Some(event) = events.next().await {
        let line = match event {
            Event::Disconnected {
                reason,
                retry_in: Some(_),
            } => {
                is_lost = true;
                format!("connection lost: {reason}; connecting again")
            }
            Event::Connected { .. } if is_lost => {
                is_lost = false;
                "connected again".to_owned()
            }
            Event::ResubscribeRefused {
                topic_filter,
                reason,
            } => format!("cannot subscribe to {topic_filter} again: {reason}"),
            _ => continue,
        };
        // With stderr closed nobody is left to tell.
        let _ = writeln!(io::stderr(), "mqtt: {line}");
    }
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
            match timeout(LAST_WORDS, printer).await {
                // What was dropped is told, whatever ends it.
                Ok(printed) => finished(printed).map(|_| code),
                Err(_) => Ok(code),
            }
        }
        printed = &mut printer => finished(printed),
    }
}

/// What the printer's thread has come to.
fn finished(printed: Result<Result<ExitCode, Failure>, JoinError>) -> Result<ExitCode, Failure> {
    printed.unwrap_or_else(|error| Err(Failure::run_time(format_args!("cannot print: {error}"))))
}

/// Subscribes, and then unsubscribes what `-U` says.
async fn subscribe(
    client: &Client,
    args: &SubscribeArgs,
    topic_filters: &[String],
) -> Result<Option<Subscription>, Failure> {
    let subscription = match topic_filters.is_empty() {
        true => None,
        false => Some(subscribe_to(client, args, topic_filters).await?),
    };
    for topic_filter in &args.unsubscribe {
        let mut request = client.unsubscribe(topic_filter);
        for (name, value) in args.connection.properties.unsubscribe() {
            request = request.user_property(name, value);
        }
        request.await.map_err(|error| {
            Failure::run_time(format_args!(
                "cannot unsubscribe from {topic_filter}: {error}"
            ))
        })?;
    }
    Ok(subscription)
}

async fn subscribe_to(
    client: &Client,
    args: &SubscribeArgs,
    topic_filters: &[String],
) -> Result<Subscription, Failure> {
    let mut request = client
        .subscribe_many(topic_filters)
        .qos(args.qos)
        .capacity(WAITING_MAX);
    if args.no_local {
        request = request.no_local();
    }
    if args.subscription.retain_as_published {
        request = request.retain_as_published();
    }
    let connack = client.connack();
    let has_options = connack.is_some_and(|connack| connack.version.has_properties());
    // What is not looked at need not be sent.
    let unwanted = args.no_retained && !args.remove_retained && has_options;
    let unsaid = unwanted.then_some(RetainHandling::DoNotSend);
    if let Some(retain_handling) = args.subscription.retain_handling.or(unsaid) {
        request = request.retain_handling(retain_handling);
    }
    let properties = args.connection.properties.subscribe();
    let identifier = args.subscription_identifier;
    if let Some(identifier) = identifier.or(properties.subscription_identifier) {
        request = request.subscription_identifier(identifier);
    }
    for (name, value) in properties.user_properties {
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
    /// None once it has ended before its client, or where nothing was subscribed.
    subscription: Option<Subscription>,
    selection: Selection,
    output: Output,
    rate: Rate,
    /// Messages still wanted; `None` for all.
    left: Option<u64>,
    /// INVARIANT: at most `removals_max`.
    removals: VecDeque<Receipt>,
    removals_max: usize,
}

/// What a message, or the end of a second, leads to.
enum Step {
    Next,
    Done,
}

impl Printer {
    fn new(
        client: &Client,
        subscription: Option<Subscription>,
        args: &SubscribeArgs,
        output: Output,
    ) -> Self {
        if let Some(subscription) = &subscription {
            tracing::debug!(reasons = ?subscription.reasons(), "subscribed");
        }
        Self {
            client: client.clone(),
            subscription,
            selection: Selection::new(args),
            output,
            rate: Rate::new(args),
            left: args.count,
            removals: VecDeque::new(),
            removals_max: args.max_inflight.map_or(REMOVALS_MAX, NonZeroUsize::get),
        }
    }

    /// Prints until `stopped`, or until there is nothing more to do.
    async fn run(mut self, stopped: oneshot::Receiver<()>) -> Result<ExitCode, Failure> {
        let outcome = tokio::select! {
            _ = stopped => Ok(()),
            printed = self.print_all() => printed,
        };
        self.rate.finish();
        let of_subscription = self.subscription.as_ref().map(Subscription::dropped);
        let dropped = of_subscription.unwrap_or(0) + self.client.unclaimed().dropped();
        // A session that is kept keeps its subscription; any other ends with the connection.
        self.subscription.into_iter().for_each(Subscription::detach);
        outcome?;
        if dropped > 0 {
            return Err(Failure::run_time(format_args!(
                "{dropped} messages of QoS 0 were dropped, stdout was read too slowly"
            )));
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn print_all(&mut self) -> Result<(), Failure> {
        let mut unclaimed = self.client.unclaimed();
        loop {
            let next = tokio::select! {
                message = next_of(&mut self.subscription) => message,
                // A session that was kept: what its earlier subscriptions still bring.
                message = unclaimed.next() => message,
                count = self.rate.next() => {
                    if self.output.flush_after(|out| self.rate.write(out, count))?.is_break() {
                        return Ok(());
                    }
                    continue;
                }
            };
            let Some(message) = next else {
                let reason = self.client.closed().await;
                return Err(Failure::run_time(format_args!(
                    "connection closed: {reason}"
                )));
            };
            match self.take(&message).await? {
                Step::Done => break,
                Step::Next => {}
            }
            let is_empty = self
                .subscription
                .as_ref()
                .is_none_or(Subscription::is_empty);
            // A reader has each message at once, but a burst is written as one.
            if is_empty && self.output.flush()?.is_break() {
                return Ok(());
            }
        }
        let _ = self.output.flush()?;
        while let Some(removal) = self.removals.pop_front() {
            removed(removal).await?;
        }
        Ok(())
    }

    async fn take(&mut self, message: &Message) -> Result<Step, Failure> {
        self.rate.count(message);
        if self.selection.ends_with(message) {
            return Ok(Step::Done);
        }
        if self.selection.is_filtered_out(message) {
            return Ok(Step::Next);
        }
        if self.selection.removes(message) {
            self.remove(message).await?;
        }
        if self.selection.is_hidden(message) {
            return Ok(Step::Next);
        }
        if self.selection.is_drawn()
            && !self.rate.replaces_messages()
            && self.output.print(message)?.is_break()
        {
            return Ok(Step::Done);
        }
        self.left = self.left.map(|left| left - 1);
        Ok(match self.left {
            Some(0) => Step::Done,
            _ => Step::Next,
        })
    }

    /// Has the broker forget the retained message of this topic.
    async fn remove(&mut self, message: &Message) -> Result<(), Failure> {
        if self.removals.len() >= self.removals_max
            && let Some(oldest) = self.removals.pop_front()
        {
            removed(oldest).await?;
        }
        let empty = self.client.publish(message.topic_name(), Vec::new());
        let removal = empty.qos(QoS::AtLeastOnce).retain().enqueue().await;
        self.removals.push_back(removal.map_err(not_removed)?);
        Ok(())
    }
}

/// The next message of a subscription; never one of a subscription that has ended before its client.
async fn next_of(subscription: &mut Option<Subscription>) -> Option<Message> {
    if let Some(open) = subscription {
        if let Some(message) = open.next().await {
            return Some(message);
        }
        *subscription = None;
    }
    std::future::pending().await
}

async fn removed(removal: Receipt) -> Result<(), Failure> {
    removal.await.map(|_| ()).map_err(not_removed)
}

fn not_removed(error: impl std::fmt::Display) -> Failure {
    Failure::run_time(format_args!("cannot remove a retained message: {error}"))
}
