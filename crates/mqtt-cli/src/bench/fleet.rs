//! What the flags of `mqtt bench` describe.

use std::path::Path;

use mqtt_bench::{
    Arrival, Fleet, HeaderFields, HeaderForm, Identity, Over, Pace, Payload, Protocol, Publishing,
    Subscribing, TlsFiles, Topic,
};
use mqtt_codec::{ProtocolVersion, QoS};
use serde::Deserialize;

use crate::{
    args::{ArrivalArg, BenchCommand, FleetArgs, HeaderArgs, LoadArgs, RateArg, TopicArgs},
    exit::Failure,
};

/// Makes the fleet of a command.
pub(super) fn describe(command: &BenchCommand) -> Result<Fleet, Failure> {
    let mut fleet = common(super::fleet_args(command))?;
    match command {
        BenchCommand::Conn(args) => fleet.idle = args.fleet.count,
        BenchCommand::Pub(args) => {
            fleet.publishers = args.fleet.count;
            fleet.header = header(&args.header, false);
            fleet.publishing = publishing(&args.load, &args.topics, fleet.header)?;
        }
        BenchCommand::Sub(args) => {
            fleet.subscribers = args.fleet.count;
            fleet.header = header(&args.header, false);
            fleet.subscribing = subscribing(args.topics.topic.clone(), args.topics.qos);
        }
        BenchCommand::All(args) => {
            fleet.publishers = args.fleet.count;
            fleet.subscribers = args.subscribers.unwrap_or(args.fleet.count);
            fleet.header = header(&args.header, true);
            fleet.publishing = publishing(&args.load, &args.topics, fleet.header)?;
            let filters = match args.filter.is_empty() {
                true => fleet
                    .publishing
                    .topics
                    .iter()
                    .map(|topic| topic.name.clone())
                    .collect(),
                false => args.filter.clone(),
            };
            fleet.subscribing = subscribing(filters, args.sub_qos.unwrap_or(args.topics.qos));
        }
    }
    let is_one = fleet.clients() <= 1;
    if !is_one
        && fleet
            .identity
            .client_id
            .as_ref()
            .is_some_and(|id| !id.contains("%i"))
    {
        return Err(Failure::usage(
            "--client-id needs %i, or all clients have one id",
        ));
    }
    Ok(fleet)
}

fn common(args: &FleetArgs) -> Result<Fleet, Failure> {
    let with_tls = args.ssl || args.cacertfile.is_some() || args.certfile.is_some();
    let port = match (with_tls, args.ws) {
        (false, false) => 1883,
        (true, false) => 8883,
        (false, true) => 8083,
        (true, true) => 8084,
    };
    let connects_per_1000_s = match (args.connrate.filter(|rate| *rate > 0), args.interval) {
        (Some(rate), _) => Some(rate.saturating_mul(1000)),
        (None, Some(interval)) if !interval.is_zero() => {
            let per = 1_000_000_000 / interval.as_micros().max(1);
            Some(u64::try_from(per).unwrap_or(u64::MAX).max(1))
        }
        (None, _) => None,
    };
    let protocol = match args.version {
        ProtocolVersion::V31 => Protocol::V31, // version: the generator has its own codec
        ProtocolVersion::V311 => Protocol::V311, // version: the generator has its own codec
        ProtocolVersion::V5 => Protocol::V5,   // version: the generator has its own codec
    };
    if args.password.is_some() && args.username.is_none() && protocol != Protocol::V5 {
        return Err(Failure::usage(
            "before MQTT 5 a password needs a user name: say -u",
        ));
    }
    Ok(Fleet {
        hosts: args.host.clone(),
        port: args.port.unwrap_or(port),
        over: Over {
            tls: with_tls.then(|| TlsFiles {
                authorities: args.cacertfile.clone(),
                client: args.certfile.clone().zip(args.keyfile.clone()),
            }),
            ws_path: args.ws.then(|| args.ws_path.clone()),
        },
        protocol,
        identity: Identity {
            client_id: args.client_id.clone(),
            prefix: args.prefix.clone(),
            short: args.shortids,
            start_number: args.startnumber,
            user_name: args.username.clone(),
            password: args.password.clone(),
        },
        keep_alive_s: args.keepalive,
        clean_start: args.clean && !args.no_clean,
        session_expiry_s: args.session_expiry,
        connects_per_1000_s,
        sources: args.ifaddr.clone(),
        connect_retries: args.num_retry_connect,
        reconnects: args.reconnect,
        threads: args.threads,
        warm_up: args.warmup,
        duration: args.duration,
        patience: args.patience,
        tick: args.tick,
        arrival: match args.arrival {
            ArrivalArg::Kernel => Arrival::Noted,
            ArrivalArg::Read => Arrival::Read,
        },
        low_memory: args.lowmem,
        ..Fleet::default()
    })
}

fn header(args: &HeaderArgs, unsaid: bool) -> HeaderFields {
    let (form, fields) = match (args.hdr, args.payload_hdrs) {
        (_, Some(fields)) => (HeaderForm::EmqttBench, Some(fields)),
        (fields, None) => (HeaderForm::Own, fields),
    };
    HeaderFields {
        form,
        number: fields.map_or(unsaid, |fields| fields.number),
        time: fields.map_or(unsaid, |fields| fields.time),
    }
}

fn subscribing(topic_filters: Vec<String>, qos: QoS) -> Subscribing {
    Subscribing {
        topic_filters,
        qos: level(qos),
    }
}

fn publishing(
    args: &LoadArgs,
    topics: &TopicArgs,
    header: HeaderFields,
) -> Result<Publishing, Failure> {
    let payload = match &args.message {
        // As in emqtt-bench, its header comes on top.
        None if header.form == HeaderForm::EmqttBench => Payload::Size(args.size + header.len()),
        None => Payload::Size(args.size),
        Some(text) => match text.strip_prefix("template://") {
            None => Payload::Bytes(text.clone().into_bytes()),
            Some(file) => Payload::Text(read(Path::new(file))?),
        },
    };
    let topics_of_file = match &args.topics_payload {
        None => {
            let topic = |name: &String| Topic {
                name: name.clone(),
                payload: payload.clone(),
                qos: None,
                retain: None,
            };
            topics.topic.iter().map(topic).collect()
        }
        Some(file) => topics_of(file)?,
    };
    let longest = args.max_random_wait.unwrap_or(args.min_random_wait);
    Ok(Publishing {
        topics: topics_of_file,
        qos: level(topics.qos),
        retain: args.retain,
        pace: match args.rate {
            None if args.interval_of_msg.is_zero() => Pace::Unlimited,
            None => Pace::Every(args.interval_of_msg),
            Some(RateArg::Max) => Pace::Unlimited,
            Some(RateArg::Per1000S(per_1000_s)) => Pace::Rate { per_1000_s },
        },
        inflight: args.inflight,
        limit: Some(args.limit).filter(|limit| *limit > 0),
        waits_for_all: args.wait_before_publishing,
        random_wait: [args.min_random_wait, longest],
    })
}

fn level(qos: QoS) -> mqtt_bench::QoS {
    match qos {
        QoS::AtMostOnce => mqtt_bench::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqtt_bench::QoS::AtLeastOnce,
        QoS::ExactlyOnce => mqtt_bench::QoS::ExactlyOnce,
    }
}

/// A file of `--topics-payload`.
#[derive(Deserialize)]
struct TopicsFile {
    topics: Vec<TopicOfFile>,
}

#[derive(Deserialize)]
struct TopicOfFile {
    name: String,
    #[serde(rename = "QoS", alias = "qos")]
    qos: Option<u8>,
    retain: Option<bool>,
    payload: Option<serde_json::Value>,
    payload_encoding: Option<String>,
    interval_ms: Option<serde_json::Value>,
    inject_ts: Option<serde_json::Value>,
}

fn topics_of(file: &Path) -> Result<Vec<Topic>, Failure> {
    let wrong = |text: String| Failure::usage(format_args!("{}: {text}", file.display()));
    let read: TopicsFile =
        serde_json::from_str(&read(file)?).map_err(|error| wrong(error.to_string()))?;
    let topics = read.topics.into_iter().map(|topic| {
        let name = topic.name;
        if topic.interval_ms.is_some() {
            return Err(wrong(format!(
                "{name}: interval_ms: the interval is that of -I for all topics"
            )));
        }
        if topic.inject_ts.is_some() {
            return Err(wrong(format!(
                "{name}: inject_ts: say --hdr ts for the time in a header"
            )));
        }
        if topic
            .payload_encoding
            .is_some_and(|encoding| encoding != "json")
        {
            return Err(wrong(format!(
                "{name}: payload_encoding: json is the only one"
            )));
        }
        let qos = match topic.qos.map(QoS::from_u8) {
            None => None,
            Some(Some(qos)) => Some(level(qos)),
            Some(None) => return Err(wrong(format!("{name}: QoS: say 0, 1 or 2"))),
        };
        let text = match topic.payload {
            None => String::new(),
            Some(serde_json::Value::String(text)) => text,
            Some(value) => value.to_string(),
        };
        Ok(Topic {
            name,
            payload: Payload::Text(text),
            qos,
            retain: topic.retain,
        })
    });
    topics.collect()
}

fn read(file: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(file)
        .map_err(|error| Failure::usage(format_args!("{}: {error}", file.display())))
}
