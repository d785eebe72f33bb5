//! `mqtt rr`: publishes a request and prints its response.

use std::{
    fs,
    io::{self, Read, Write},
    pin::pin,
    process::ExitCode,
    time::{Duration, Instant},
};

use mqtt_client::{Bytes, Client, Message, Reconnect, Subscription};

use crate::{
    args::{PropertyCommand, RequestArgs},
    connection::{self, connect_to_print, disconnect_as, interruption},
    exit::Failure,
};

/// The packets that can be given properties.
const SENDS: [PropertyCommand; 5] = [
    PropertyCommand::Connect,
    PropertyCommand::Will,
    PropertyCommand::Subscribe,
    PropertyCommand::Publish,
    PropertyCommand::Disconnect,
];

/// Runs the command.
pub(crate) fn run(args: RequestArgs) -> Result<ExitCode, Failure> {
    let (debug, quiet) = (args.connection.debug, args.connection.quiet);
    connection::run(debug, quiet, ask(args))
}

async fn ask(mut args: RequestArgs) -> Result<ExitCode, Failure> {
    let version = args.connection.protocol_version;
    let needs_v5 = args.subscription.is_given();
    if needs_v5 && version.is_some_and(|version| !version.has_properties()) {
        return Err(Failure::usage(
            "--retain-as-published and --retain-handling are of MQTT 5",
        ));
    }
    let sends = PropertyCommand::sent(args.is_mosquitto, &SENDS);
    args.connection.check("mqtt rr", sends, needs_v5)?;
    let properties = &args.connection.properties;
    if args.response_topic.is_some() && properties.publish().response_topic.is_some() {
        return Err(Failure::usage(
            "the response topic is there twice: by -e and by -D",
        ));
    }
    let topic_name = args.topic_name()?;
    let payload = payload(&args)?;
    let print = args.print.print().map_err(Failure::usage)?;
    let mut interruption = pin!(interruption(args.timeout.map(Duration::from_secs))?);
    let client = tokio::select! {
        code = &mut interruption => return Ok(code),
        client = connect_to_print(&args.connection, Reconnect::never()) => client?,
    };
    let response = tokio::select! {
        code = &mut interruption => Err(code),
        response = response(&client, &args, topic_name, payload) => Ok(response),
    };
    let has_end = args.is_mosquitto && response.is_err();
    let outcome = match response {
        Ok(Ok((message, latency))) => {
            let mut out = io::stdout().lock();
            let printed = print.print(&mut out, &message);
            if args.latency {
                tell_latency(latency, args.is_mosquitto.then_some(&mut out));
            }
            let printed = printed.and_then(|failed| out.flush().map(|()| failed));
            match printed {
                Ok(None) => Ok(ExitCode::SUCCESS),
                Ok(Some(failed)) => Err(Failure::run_time(failed)),
                Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
                Err(error) => Err(Failure::run_time(format_args!("cannot write: {error}"))),
            }
        }
        Ok(Err(failure)) => Err(failure),
        Err(code) => Ok(code),
    };
    // The response is here: how the connection ends changes nothing.
    let _ = disconnect_as(&client, &args.connection, has_end).await;
    outcome
}

/// On stderr, because stdout has the payload; Mosquitto's program has it there, too.
fn tell_latency(latency: Duration, stdout: Option<&mut impl Write>) {
    // Whoever cannot be told has gone away.
    let _ = match stdout {
        Some(out) => writeln!(out, "Latency: {latency:?}"),
        None => writeln!(io::stderr(), "mqtt: latency {latency:?}"),
    };
}

/// Subscribes to the Response Topic, asks, and waits for the message that answers; with how long that took.
async fn response(
    client: &Client,
    args: &RequestArgs,
    topic_name: String,
    payload: Vec<u8>,
) -> Result<(Message, Duration), Failure> {
    let connack = client.connack();
    let is_v5 = connack
        .as_ref()
        .is_some_and(|connack| connack.version.has_properties());
    let mut properties = args.connection.properties.publish();
    let base = connack.and_then(|connack| connack.response_information.clone());
    let given = args
        .response_topic
        .clone()
        .or(properties.response_topic.take());
    let response_topic = given.unwrap_or_else(|| {
        let base = base.as_deref().unwrap_or("mqtt-rr").trim_end_matches('/');
        format!("{base}/{:016x}", fastrand::u64(..))
    });
    let mut subscription = subscribe(client, args, &response_topic).await?;
    let mut awaited = None;
    if is_v5 {
        properties.response_topic = Some(response_topic);
        if !args.is_mosquitto {
            let random = || Bytes::from(fastrand::u64(..).to_be_bytes().to_vec());
            let data = properties.correlation_data.get_or_insert_with(random);
            awaited = Some(data.clone());
        }
    }
    let request = client
        .publish(topic_name.as_str(), payload)
        .qos(args.qos)
        .properties(properties);
    // The response may come before the acknowledgement of its request.
    let mut published = pin!(request.into_future());
    let mut is_published = false;
    let asked = Instant::now();
    loop {
        let message = tokio::select! {
            message = subscription.next() => message,
            outcome = &mut published, if !is_published => {
                is_published = true;
                outcome.map_err(|error| {
                    Failure::run_time(format_args!("cannot publish to {topic_name}: {error}"))
                })?;
                continue;
            }
        };
        let Some(message) = message else {
            let reason = client.closed().await;
            return Err(Failure::run_time(format_args!(
                "connection closed: {reason}"
            )));
        };
        let is_old = args.no_retained && message.retain();
        let of_others = match (&awaited, &message.properties().correlation_data) {
            (Some(awaited), Some(data)) => awaited != data,
            _ => false,
        };
        if !is_old && !of_others {
            return Ok((message, asked.elapsed()));
        }
    }
}

async fn subscribe(
    client: &Client,
    args: &RequestArgs,
    response_topic: &str,
) -> Result<Subscription, Failure> {
    let mut request = client.subscribe(response_topic).qos(args.qos);
    if args.subscription.retain_as_published {
        request = request.retain_as_published();
    }
    if let Some(retain_handling) = args.subscription.retain_handling {
        request = request.retain_handling(retain_handling);
    }
    let properties = args.connection.properties.subscribe();
    if let Some(identifier) = properties.subscription_identifier {
        request = request.subscription_identifier(identifier);
    }
    for (name, value) in properties.user_properties {
        request = request.user_property(name, value);
    }
    request.await.map_err(|error| {
        Failure::run_time(format_args!(
            "cannot subscribe to {response_topic}: {error}"
        ))
    })
}

fn payload(args: &RequestArgs) -> Result<Vec<u8>, Failure> {
    let source = &args.source;
    let payload = if let Some(text) = &source.message {
        text.clone().into_encoded_bytes()
    } else if let Some(path) = &source.file {
        fs::read(path).map_err(|error| {
            Failure::run_time(format_args!("cannot read {}: {error}", path.display()))
        })?
    } else if source.stdin_file {
        let mut bytes = Vec::new();
        let read = io::stdin().read_to_end(&mut bytes);
        read.map_err(|error| Failure::run_time(format_args!("cannot read stdin: {error}")))?;
        bytes
    } else {
        Vec::new()
    };
    let Some(encoder) = args.encoder()? else {
        return Ok(payload);
    };
    encoder
        .encode(&payload)
        .map_err(|error| Failure::run_time(format_args!("cannot encode the request: {error}")))
}
