//! `mqtt pub`: publishes and ends when the broker has everything.

use std::{collections::VecDeque, future::pending, pin::pin, process::ExitCode, time::Duration};

use mqtt_client::{Client, MessageProperties, Publish, PublishError, Published, QoS, Receipt};
use mqtt_codec::TopicName;
use mqtt_payload::Encoder;
use mqtt_template::{Moment, Random, Template};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    args::{PropertyCommand, PublishArgs},
    connection::{self, FOREVER, connect, disconnect, interruption},
    exit::Failure,
    payload::Payloads,
    surroundings,
};

/// Messages that wait for the broker's answer; the next goes out when one has it.
const UNANSWERED_MAX: usize = 1024;

/// The packets that can be given properties.
const SENDS: [PropertyCommand; 4] = [
    PropertyCommand::Connect,
    PropertyCommand::Will,
    PropertyCommand::Publish,
    PropertyCommand::Disconnect,
];

/// Runs the command.
pub(crate) fn run(args: PublishArgs) -> Result<ExitCode, Failure> {
    let (debug, quiet) = (args.connection.debug, args.connection.quiet);
    connection::run(debug, quiet, publish(args))
}

async fn publish(mut args: PublishArgs) -> Result<ExitCode, Failure> {
    if let Some(url) = args.address.take() {
        args.connection.server.url = Some(url);
    }
    if args.source.stdin_line && args.repeat > 1 && !args.source.is_mosquitto {
        return Err(Failure::usage(
            "--repeat is for one message, with -l there are as many as lines",
        ));
    }
    let has_properties = !args.message_properties.is_empty();
    let sends = PropertyCommand::sent(args.source.is_mosquitto, &SENDS);
    args.connection.check("mqtt pub", sends, has_properties)?;
    let mut messages = Messages::new(&args)?;
    let mut random = Random::new();
    let (split, repeat) = (args.split.as_deref(), args.repeat);
    let seeded = args.seed.map(|_| &mut messages.random);
    let payloads = Payloads::open(&args.source, split, repeat, seeded.unwrap_or(&mut random))?;
    let mut interruption = pin!(interruption(None)?);
    let client = tokio::select! {
        code = &mut interruption => return Ok(code),
        client = connect(&args.connection) => client?,
    };
    let published = tokio::select! {
        code = &mut interruption => Err(code),
        published = messages.publish_all(&client, payloads, &args) => Ok(published),
    };
    match published {
        Ok(Ok(())) => {
            // A connection that is gone by now may have been lost before messages of QoS 0.
            disconnect(&client, &args.connection)
                .await
                .map_err(|error| messages.failure(&error))?;
            Ok(ExitCode::SUCCESS)
        }
        Ok(Err(failure)) => {
            let _ = disconnect(&client, &args.connection)
                .timeout(Duration::ZERO)
                .await;
            Err(failure)
        }
        Err(code) => {
            let _ = disconnect(&client, &args.connection)
                .timeout(Duration::ZERO)
                .await;
            Ok(code)
        }
    }
}

/// Where the messages go, and how they are made.
struct Messages {
    topic: Template,
    /// Whether payloads have fields.
    is_template: bool,
    encoder: Option<Encoder>,
    qos: QoS,
    retain: bool,
    properties: MessageProperties,
    random: Random,
    hostname: String,
    username: String,
    /// Those made so far.
    count: u64,
    /// The topic of the last one, for what is said of it.
    topic_name: String,
}

impl Messages {
    fn new(args: &PublishArgs) -> Result<Self, Failure> {
        let topic = args.topic()?;
        let template = match args.template {
            true => Template::parse(&topic)
                .map_err(|error| Failure::usage(format_args!("the topic {topic}: {error}")))?,
            false => Template::literal(&topic),
        };
        if template.as_literal().is_some() {
            checked(&topic)?;
        }
        let properties = args.connection.properties.publish();
        Ok(Self {
            topic: template,
            is_template: args.template,
            encoder: args.encoder()?,
            qos: args.qos,
            retain: args.retain,
            properties: args.message_properties.over(properties),
            random: args.seed.map_or_else(Random::new, Random::seeded),
            hostname: surroundings::hostname(),
            username: args.connection.username.clone().unwrap_or_default(),
            count: 0,
            topic_name: topic,
        })
    }

    /// Publishes one after the other, many at once, in order, and waits for all answers.
    async fn publish_all(
        &mut self,
        client: &Client,
        mut payloads: Payloads,
        args: &PublishArgs,
    ) -> Result<(), Failure> {
        if let Some(at) = &args.at {
            sleep(at.left()).await;
        }
        let delay = args.repeat_delay.filter(|delay| !delay.is_zero());
        let unanswered_max = match (delay, args.max_inflight) {
            // Each waits for the one before.
            (Some(_), _) => 1,
            (None, None) => UNANSWERED_MAX,
            (None, Some(max)) => max.get(),
        };
        let mut receipts = VecDeque::new();
        let mut pause = None;
        while !payloads.is_at_end() {
            tokio::select! {
                payload = payloads.next(), if pause.is_none() && receipts.len() < unanswered_max => {
                    let Some(payload) = payload? else { break };
                    let receipt = self.message(client, payload)?.enqueue().await;
                    receipts.push_back(receipt.map_err(|error| self.failure(&error))?);
                }
                () = until(pause) => pause = None,
                answer = first_answer(&mut receipts) => {
                    answer.map_err(|error| self.failure(&error))?;
                    pause = delay.map(|delay| Instant::now() + delay.min(FOREVER));
                }
                reason = client.closed() => return Err(self.failure(&reason)),
            }
        }
        for receipt in receipts {
            receipt.await.map_err(|error| self.failure(&error))?;
        }
        Ok(())
    }

    /// The next message.
    fn message(&mut self, client: &Client, payload: Vec<u8>) -> Result<Publish, Failure> {
        self.count += 1;
        let payload = match self.topic.as_literal() {
            Some(_) if !self.is_template => payload,
            _ => self.fill_in(client, payload)?,
        };
        let payload = match &self.encoder {
            None => payload,
            Some(encoder) => encoder.encode(&payload).map_err(|error| {
                Failure::run_time(format_args!("message {}: {error}", self.count))
            })?,
        };
        let message = client
            .publish(&self.topic_name, payload)
            .qos(self.qos)
            .properties(self.properties.clone());
        Ok(match self.retain {
            true => message.retain(),
            false => message,
        })
    }

    /// Makes the topic and the payload of the next message.
    fn fill_in(&mut self, client: &Client, payload: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let connack = client.connack();
        let moment = Moment {
            message: self.count,
            client: 1,
            client_id: connack.as_ref().map_or("", |connack| &connack.client_id),
            username: &self.username,
            hostname: &self.hostname,
            ..Moment::default()
        };
        let moment = moment.now();
        let topic = self.topic.to_bytes(&moment, &mut self.random);
        self.topic_name = String::from_utf8_lossy(&topic).into_owned();
        checked(&self.topic_name)?;
        // Bytes that are no text have no fields.
        let Ok(text) = str::from_utf8(&payload) else {
            return Ok(payload);
        };
        let template = Template::parse(text)
            .map_err(|error| Failure::usage(format_args!("the payload: {error}")))?;
        let moment = Moment {
            topic_name: &self.topic_name,
            ..moment
        };
        Ok(template.to_bytes(&moment, &mut self.random))
    }

    fn failure(&self, error: &impl std::fmt::Display) -> Failure {
        Failure::run_time(format_args!(
            "cannot publish to {}: {error}",
            self.topic_name
        ))
    }
}

/// Fails if that is no topic to publish to.
fn checked(topic: &str) -> Result<(), Failure> {
    TopicName::try_new(topic).map(|_| ()).map_err(|error| {
        Failure::usage(format_args!(
            "invalid value '{topic}' for '--topic <TOPIC>': {error}"
        ))
    })
}

async fn until(pause: Option<Instant>) {
    match pause {
        Some(end) => sleep_until(end).await,
        None => pending().await,
    }
}

/// The answer to the oldest message; waits for ever if there is none.
///
/// Cancel safety: a dropped call loses no answer.
async fn first_answer(receipts: &mut VecDeque<Receipt>) -> Result<Published, PublishError> {
    let Some(receipt) = receipts.front_mut() else {
        return pending().await;
    };
    let answer = receipt.await;
    receipts.pop_front();
    answer
}
