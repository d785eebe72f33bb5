//! `mqtt tui`: brings messages and keys to the screen, and does what it asks for.

mod terminal;
mod trace;

use std::{
    io::{IsTerminal as _, stdin, stdout},
    process::ExitCode,
    time::Duration,
};

use mqtt_client::{Client, Event, Message, QoS, Reconnect, Subscription};
use mqtt_tui::{Action, App, Limits, Outgoing, Received};
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval},
};

use self::{
    terminal::{Input, Screen},
    trace::Trace,
};
use crate::{args::TuiArgs, connection, exit::Failure, signals::Signals};

/// Messages of QoS 0 that wait for the screen; above it the oldest are dropped, and that is told.
const WAITING_MAX: usize = 65_536;

/// Messages taken between two looks at the keyboard.
const MESSAGES_PER_TURN: usize = 1_000;

/// Publishes that wait for their acknowledgements.
const UNDER_WAY_MAX: usize = 1_000;

/// How long the end waits for the broker.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) fn run(args: TuiArgs) -> Result<ExitCode, Failure> {
    if !stdin().is_terminal() || !stdout().is_terminal() {
        return Err(Failure::usage(
            "a terminal is needed for this; `mqtt sub -v` prints to anything",
        ));
    }
    // What is logged would be written across the screen.
    connection::run(0, args.connection.quiet, show(args))
}

async fn show(mut args: TuiArgs) -> Result<ExitCode, Failure> {
    // They have a place on the screen.
    args.connection.debug = 0;
    let topic_filters = args.topic_filters()?;
    let decoder = args.decoder()?;
    let trace = Trace::new();
    let client = connection::connect_with(&args.connection, Reconnect::new(), |builder| {
        builder.wrap_stream(trace.wrapper())
    });
    let client = client.await?;
    let request = client
        .subscribe_many(&topic_filters)
        .qos(args.qos)
        .capacity(WAITING_MAX);
    let subscription = request.await.map_err(|error| {
        let topic_filters = topic_filters.join(", ");
        Failure::run_time(format_args!("cannot subscribe to {topic_filters}: {error}"))
    })?;
    let target = args.connection.server.target().map_err(Failure::usage)?;
    let limits = Limits {
        history_max: usize::from(args.history),
        ..Limits::default()
    };
    let mut app = App::new(target.endpoint.to_string(), limits).decoder(decoder);
    // <https://no-color.org>: set, and not empty.
    if std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty()) {
        app = app.without_colour();
    }
    let screen = Screen::open()
        .map_err(|error| Failure::run_time(format_args!("cannot take the terminal: {error}")))?;
    let session = Session {
        app,
        screen,
        server: target.endpoint.to_string(),
        client: client.clone(),
        subscription,
        publishes: JoinSet::new(),
        since: Instant::now(),
        is_changed: true,
    };
    let outcome = session.run(trace, args.frame_rate).await;
    // Whoever ends this has seen what they wanted.
    let _ = tokio::time::timeout(LAST_WORDS, client.disconnect()).await;
    outcome
}

/// A screen that is connected.
struct Session {
    app: App,
    screen: Screen,
    server: String,
    client: Client,
    subscription: Subscription,
    /// What each publish has come to, in words.
    publishes: JoinSet<String>,
    since: Instant,
    /// Whether there is something new to draw.
    is_changed: bool,
}

impl Session {
    async fn run(mut self, mut trace: Trace, frame_rate: u8) -> Result<ExitCode, Failure> {
        let mut events = self.client.events();
        let mut input = terminal::input();
        // A signal that just ended the process would leave the terminal as it is.
        let mut signals = Signals::new().map_err(Failure::no_signals)?;
        let mut frames = interval(Duration::from_secs(1) / u32::from(frame_rate));
        frames.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut seconds = interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                biased;
                key = input.recv() => match self.handle_input(key) {
                    Some(end) => return end,
                    None => self.draw()?,
                },
                stop = signals.next() => return Ok(stop.exit_code()),
                _ = frames.tick() => if self.is_changed { self.draw()? },
                // Ages and rates change when nothing comes.
                _ = seconds.tick() => self.is_changed = true,
                Some(event) = events.next() => self.handle_event(&event),
                Some(line) = trace.next() => self.app_changes(|app| app.trace(line)),
                Some(done) = self.publishes.join_next() => {
                    let words = done.unwrap_or_else(|error| error.to_string());
                    self.app_changes(|app| app.notice(words));
                }
                message = self.subscription.next() => match message {
                    Some(message) => self.receive(message),
                    None => {
                        let reason = self.client.closed().await;
                        drop(self.screen);
                        return Err(Failure::run_time(format_args!("connection closed: {reason}")));
                    }
                },
            }
        }
    }

    /// Takes what has come, up to a bound.
    fn receive(&mut self, first: Message) {
        let at = self.since.elapsed();
        self.app.receive(&received(&first, at));
        for _ in 1..MESSAGES_PER_TURN {
            let Some(message) = self.subscription.try_next() else {
                break;
            };
            self.app.receive(&received(&message, at));
        }
        let dropped = self.subscription.dropped();
        self.app_changes(|app| app.dropped(dropped));
    }

    /// What to end with, if that is asked for.
    fn handle_input(&mut self, input: Option<Input>) -> Option<Result<ExitCode, Failure>> {
        let key = match input {
            Some(Input::Key(key)) => key,
            Some(Input::Resized) => return None,
            Some(Input::Failed(error)) => {
                let failure = format_args!("cannot read the terminal: {error}");
                return Some(Err(Failure::run_time(failure)));
            }
            None => return Some(Ok(ExitCode::SUCCESS)),
        };
        self.app.at(self.since.elapsed());
        match self.app.key(key) {
            None => {}
            Some(Action::Quit) => return Some(Ok(ExitCode::SUCCESS)),
            Some(Action::Publish(outgoing)) => self.publish(outgoing),
            Some(Action::Clear(topic_names)) => self.clear(topic_names),
        }
        None
    }

    fn publish(&mut self, outgoing: Outgoing) {
        if self.publishes.len() >= UNDER_WAY_MAX {
            return self.app.notice("too much waits for the broker, try again");
        }
        let Outgoing {
            topic_name,
            payload,
            qos,
            retain,
        } = outgoing;
        let qos = QoS::from_u8(qos).unwrap_or(QoS::AtMostOnce);
        let publish = self.client.publish(&topic_name, payload).qos(qos);
        let publish = if retain { publish.retain() } else { publish };
        self.publishes.spawn(async move {
            match publish.await {
                Ok(_) => format!("published to {topic_name}"),
                Err(error) => format!("not published to {topic_name}: {error}"),
            }
        });
    }

    fn clear(&mut self, topic_names: Vec<String>) {
        let client = self.client.clone();
        self.publishes.spawn(async move {
            let mut cleared = 0;
            for topic_name in topic_names {
                let publish = client.publish(&topic_name, "").qos(QoS::AtLeastOnce);
                match publish.retain().await {
                    Ok(_) => cleared += 1,
                    Err(error) => {
                        return format!("{cleared} cleared, not {topic_name}: {error}");
                    }
                }
            }
            format!("{cleared} retained messages cleared")
        });
    }

    fn handle_event(&mut self, event: &Event) {
        let words = match event {
            Event::Connected { .. } => self.server.clone(),
            Event::Disconnected { reason, retry_in } => {
                format!("{} lost: {reason}{}", self.server, again(*retry_in))
            }
            Event::ConnectFailed {
                error, retry_in, ..
            } => {
                format!("{}: {error}{}", self.server, again(*retry_in))
            }
            _ => return,
        };
        self.app_changes(|app| app.connection(words));
    }

    fn app_changes(&mut self, change: impl FnOnce(&mut App)) {
        change(&mut self.app);
        self.is_changed = true;
    }

    fn draw(&mut self) -> Result<(), Failure> {
        self.is_changed = false;
        self.app.at(self.since.elapsed());
        let begun = Instant::now();
        let drawn = self.screen.draw(&mut self.app);
        drawn.map_err(|error| Failure::run_time(format_args!("cannot draw: {error}")))?;
        self.app.drawn_in(begun.elapsed());
        Ok(())
    }
}

fn again(retry_in: Option<Duration>) -> String {
    match retry_in {
        Some(retry_in) => format!(", again in {:.1} s", retry_in.as_secs_f64()),
        None => String::new(),
    }
}

fn received(message: &Message, at: Duration) -> Received {
    Received {
        topic_name: message.topic_name().to_owned(),
        payload: message.payload().clone(),
        qos: message.qos().into(),
        retain: message.retain(),
        properties: properties(message),
        at,
    }
}

/// The properties by the names that `mqtt pub` has for them.
fn properties(message: &Message) -> Vec<(String, String)> {
    let properties = message.properties();
    let mut shown = Vec::new();
    let mut show = |name: &str, value: Option<String>| {
        shown.extend(value.map(|value| (name.to_owned(), value)));
    };
    show("content type", properties.content_type.clone());
    let expiry = properties.message_expiry_s.map(|s| format!("{s} s"));
    show("message expiry", expiry);
    show("response topic", properties.response_topic.clone());
    let correlation = properties.correlation_data.as_ref();
    let correlation = correlation.map(|data| data.escape_ascii().to_string());
    show("correlation data", correlation);
    let users = properties.user_properties.iter();
    shown.extend(users.map(|(name, value)| (format!("user property {name}"), value.clone())));
    shown
}
