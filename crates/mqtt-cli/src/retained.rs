//! `mqtt retained`: lists, prints and clears retained messages.

use std::{
    collections::HashMap,
    fmt::Write as _,
    io::{self, BufWriter, IsTerminal, Write},
    pin::pin,
    process::ExitCode,
    time::Duration,
};

use mqtt_client::{Client, Message, PayloadFormat, QoS};
use mqtt_payload::Decoder;
use mqtt_probe::{Cleared, End, Retained, RetainedError, RetainedSettings, clear, stored_qos};
use serde_json::{Map, Value, json};
use tokio::task::spawn_blocking;

use crate::{
    args::{ClearArgs, ConnectionArgs, GetArgs, ListArgs, RetainedCommand},
    connection::{self, connect, interruption},
    exit::{self, Failure},
    print,
    progress::Progress,
};

/// Topics that are held at a time.
const TOPICS_MAX: usize = 1_000_000;

/// Runs the command.
pub(crate) fn run(command: RetainedCommand) -> Result<ExitCode, Failure> {
    match command {
        RetainedCommand::Ls(args) => {
            with_client(&args.connection, async |client| list(client, &args).await)
        }
        RetainedCommand::Get(args) => {
            // What is wrong with it is told before anything is asked for.
            let decoder = args.decoder()?;
            with_client(&args.connection, async |client| {
                get(client, &args, decoder.as_ref()).await
            })
        }
        RetainedCommand::Clear(args) => with_client(&args.connection, async |client| {
            clear_all(client, &args).await
        }),
    }
}

/// Connects, does it unless a signal comes first, and disconnects.
fn with_client(
    args: &ConnectionArgs,
    work: impl AsyncFnOnce(&Client) -> Result<ExitCode, Failure>,
) -> Result<ExitCode, Failure> {
    connection::run(args.debug, args.quiet, async {
        let mut interruption = pin!(interruption(None)?);
        let client = tokio::select! {
            code = &mut interruption => return Ok(code),
            client = connect(args) => client?,
        };
        let outcome = tokio::select! {
            code = &mut interruption => Ok(code),
            outcome = work(&client) => outcome,
        };
        let _ = client.disconnect().timeout(Duration::from_secs(1)).await;
        outcome
    })
}

fn failed(error: &RetainedError) -> Failure {
    Failure::run_time(error)
}

/// With stderr closed nobody is left to tell.
fn tell(quiet: bool, line: std::fmt::Arguments<'_>) {
    if !quiet {
        let _ = writeln!(io::stderr(), "mqtt: {line}");
    }
}

/// Says so when nothing but silence told the end.
fn tell_end(args: &ConnectionArgs, end: Option<End>) {
    if end == Some(End::Silence) {
        tell(
            args.quiet,
            format_args!(
                "the broker takes no marker: there may be more that came too late, see --patience"
            ),
        );
    }
}

async fn list(client: &Client, args: &ListArgs) -> Result<ExitCode, Failure> {
    let settings = args.end.settings();
    let subscribed = Retained::subscribe(client, [args.topic_filter.as_str()], settings).await;
    let mut retained = subscribed.map_err(|error| failed(&error))?;
    let mut out = Table::new(args);
    let mut held = Vec::new();
    while let Some(message) = retained.next().await.map_err(|error| failed(&error))? {
        let row = Row::of(&message);
        if !args.long {
            if !out.print(&row, None)? {
                return Ok(ExitCode::SUCCESS);
            }
            continue;
        }
        if held.len() == TOPICS_MAX {
            return Err(Failure::run_time(format_args!(
                "more than {TOPICS_MAX} topics: choose a narrower filter, or leave out --long"
            )));
        }
        held.push(row);
    }
    tell_end(&args.connection, retained.end());
    drop(retained);
    if args.long {
        let qos = qos_of(client, &held, settings).await?;
        for row in &held {
            if !out.print(row, qos.get(&row.topic_name).copied())? {
                return Ok(ExitCode::SUCCESS);
            }
        }
    }
    out.end()?;
    Ok(ExitCode::SUCCESS)
}

async fn qos_of(
    client: &Client,
    rows: &[Row],
    settings: RetainedSettings,
) -> Result<HashMap<String, QoS>, Failure> {
    let mut progress = Progress::new();
    let names: Vec<String> = rows.iter().map(|row| row.topic_name.clone()).collect();
    let mut found = HashMap::new();
    for (index, some) in names.chunks(1000).enumerate() {
        let qos = stored_qos(client, some, settings).await;
        found.extend(qos.map_err(|error| failed(&error))?);
        progress.show(format_args!(
            "QoS of {} of {}",
            (index * 1000 + some.len()),
            rows.len()
        ));
    }
    Ok(found)
}

/// What is listed of a message.
struct Row {
    topic_name: String,
    len: usize,
    properties: Map<String, Value>,
}

impl Row {
    fn of(message: &Message) -> Self {
        let properties = message.properties();
        let mut map = Map::new();
        let mut add = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                map.insert(name.to_owned(), value);
            }
        };
        let format = properties.payload_format;
        add(
            "payload_format",
            format.map(|format| json!(u8::from(format == PayloadFormat::Utf8))),
        );
        add(
            "message_expiry_s",
            properties.message_expiry_s.map(|seconds| json!(seconds)),
        );
        add(
            "content_type",
            properties.content_type.as_ref().map(|text| json!(text)),
        );
        add(
            "response_topic",
            properties.response_topic.as_ref().map(|text| json!(text)),
        );
        let correlation_data = properties.correlation_data.as_ref();
        add(
            "correlation_data",
            correlation_data.map(|bytes| json!(data_encoding::BASE64.encode(bytes))),
        );
        let user_properties = &properties.user_properties;
        add(
            "user_properties",
            (!user_properties.is_empty()).then(|| json!(user_properties)),
        );
        Self {
            topic_name: message.topic_name().to_owned(),
            len: message.payload().len(),
            properties: map,
        }
    }

    fn to_json(&self, qos: Option<QoS>) -> Value {
        let mut map = Map::new();
        map.insert("topic".to_owned(), json!(self.topic_name));
        map.insert("len".to_owned(), json!(self.len));
        if let Some(qos) = qos {
            map.insert("qos".to_owned(), json!(qos.get()));
        }
        map.extend(self.properties.clone());
        Value::Object(map)
    }

    fn to_line(&self, long: bool, qos: Option<QoS>) -> String {
        let mut line = format!("{:>10}  ", self.len);
        if long {
            match qos {
                Some(qos) => line.push_str(&format!("{:>3}  ", qos.get())),
                None => line.push_str("  -  "),
            }
        }
        line.push_str(&printable(&self.topic_name));
        if long {
            for (name, value) in &self.properties {
                // Writing to a string cannot fail.
                let _ = write!(line, "  {name}={value}");
            }
        }
        line
    }
}

/// The name without anything a terminal would obey.
fn printable(topic_name: &str) -> String {
    let shown = topic_name
        .chars()
        .map(|character| match character.is_control() {
            true => character.escape_default().to_string(),
            false => character.to_string(),
        });
    shown.collect()
}

/// What is listed, on stdout.
struct Table<'a> {
    args: &'a ListArgs,
    out: BufWriter<io::Stdout>,
    is_first: bool,
}

impl<'a> Table<'a> {
    fn new(args: &'a ListArgs) -> Self {
        Self {
            args,
            out: BufWriter::new(io::stdout()),
            is_first: true,
        }
    }

    /// Prints a row; whether anybody reads.
    fn print(&mut self, row: &Row, qos: Option<QoS>) -> Result<bool, Failure> {
        let heading = match self.args.long {
            true => "     bytes  qos  topic and properties",
            false => "     bytes  topic",
        };
        let is_first = std::mem::replace(&mut self.is_first, false);
        let printed = match self.args.json {
            true => writeln!(self.out, "{}", row.to_json(qos)),
            false if is_first => {
                writeln!(self.out, "{heading}\n{}", row.to_line(self.args.long, qos))
            }
            false => writeln!(self.out, "{}", row.to_line(self.args.long, qos)),
        };
        is_read(printed)
    }

    fn end(&mut self) -> Result<(), Failure> {
        is_read(self.out.flush()).map(|_| ())
    }
}

/// A reader that has seen enough, as `head` does, is no failure.
fn is_read(printed: io::Result<()>) -> Result<bool, Failure> {
    match printed {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::run_time(format_args!(
            "cannot write to stdout: {error}"
        ))),
    }
}

async fn get(
    client: &Client,
    args: &GetArgs,
    decoder: Option<&Decoder>,
) -> Result<ExitCode, Failure> {
    let settings = args.end.settings();
    let subscribed = Retained::subscribe(client, [args.topic_name.as_str()], settings).await;
    let mut retained = subscribed.map_err(|error| failed(&error))?;
    let message = retained.next().await.map_err(|error| failed(&error))?;
    let Some(message) = message else {
        tell_end(&args.connection, retained.end());
        tell(
            args.connection.quiet,
            format_args!("nothing is retained on {}", printable(&args.topic_name)),
        );
        return Ok(ExitCode::from(exit::NOTHING_RETAINED));
    };
    let mut out = io::stdout();
    let Some(decoder) = decoder else {
        is_read(out.write_all(message.payload()).and_then(|()| out.flush()))?;
        return Ok(ExitCode::SUCCESS);
    };
    let decoded = decoder.decode(message.payload());
    let decoded = decoded
        .map_err(|error| Failure::run_time(format_args!("cannot decode the payload: {error}")))?;
    let shown = print::shown(decoder, decoded.content, args.pretty);
    let written = out.write_all(&shown).and_then(|()| out.write_all(b"\n"));
    is_read(written.and_then(|()| out.flush()))?;
    Ok(ExitCode::SUCCESS)
}

async fn clear_all(client: &Client, args: &ClearArgs) -> Result<ExitCode, Failure> {
    let topic_names = topics(client, args).await?;
    if args.dry_run {
        let mut out = BufWriter::new(io::stdout());
        for topic_name in &topic_names {
            if !is_read(writeln!(out, "{}", printable(topic_name)))? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        is_read(out.flush())?;
        tell(
            args.connection.quiet,
            format_args!("{} would be cleared", topic_names.len()),
        );
        return Ok(ExitCode::SUCCESS);
    }
    if !topic_names.is_empty() && !is_confirmed(args, topic_names.len()).await? {
        tell(args.connection.quiet, format_args!("nothing was cleared"));
        return Ok(ExitCode::from(exit::RUN_TIME));
    }
    let all = topic_names.len();
    let mut progress = Progress::new();
    let cleared = clear(client, topic_names, |done| {
        progress.show(format_args!("{done} of {all} cleared"));
    });
    let cleared = cleared.await.map_err(Failure::run_time)?;
    drop(progress);
    // An older broker acknowledges what it does not do.
    let left = match cleared.cleared {
        0 => 0,
        _ => topics(client, args).await?.len(),
    };
    tell_cleared(args, &cleared, left);
    match cleared.refused == 0 && left == 0 {
        true => Ok(ExitCode::SUCCESS),
        false => Ok(ExitCode::from(exit::RUN_TIME)),
    }
}

fn tell_cleared(args: &ClearArgs, cleared: &Cleared, left: usize) {
    let quiet = args.connection.quiet;
    for refusal in &cleared.refusals {
        let topic_name = printable(&refusal.topic_name);
        tell(quiet, format_args!("{topic_name}: {}", refusal.error));
    }
    let mut line = format!("{} cleared", cleared.cleared);
    if cleared.refused > 0 {
        let _ = write!(line, ", {} refused", cleared.refused);
    }
    if left > 0 {
        let _ = write!(line, ", {left} are there nevertheless or again");
    }
    tell(quiet, format_args!("{line}"));
}

/// The topics under the filter.
async fn topics(client: &Client, args: &ClearArgs) -> Result<Vec<String>, Failure> {
    let settings = args.end.settings();
    let subscribed = Retained::subscribe(client, [args.topic_filter.as_str()], settings).await;
    let mut retained = subscribed.map_err(|error| failed(&error))?;
    let mut topic_names = Vec::new();
    let mut progress = Progress::new();
    while let Some(message) = retained.next().await.map_err(|error| failed(&error))? {
        if topic_names.len() == TOPICS_MAX {
            return Err(Failure::run_time(format_args!(
                "more than {TOPICS_MAX} topics: choose a narrower filter"
            )));
        }
        topic_names.push(message.topic_name().to_owned());
        progress.show(format_args!("{} found", topic_names.len()));
    }
    tell_end(&args.connection, retained.end());
    Ok(topic_names)
}

/// Asks who sits at the terminal; a script, which has none, was asked by what it was written for.
async fn is_confirmed(args: &ClearArgs, count: usize) -> Result<bool, Failure> {
    if args.yes || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Ok(true);
    }
    let _ = write!(
        io::stderr(),
        "mqtt: clear {count} retained messages under {}? [y/N] ",
        printable(&args.topic_filter)
    );
    let asked = spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = asked.await.map_err(Failure::run_time)?;
    let answer = answer
        .map_err(|error| Failure::run_time(format_args!("cannot read the answer: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
