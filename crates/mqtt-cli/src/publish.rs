//! `mqtt pub`: publishes and ends when the broker has everything.

use std::{collections::VecDeque, future::pending, pin::pin, process::ExitCode, time::Duration};

use mqtt_client::{Client, MessageProperties, Publish, PublishError, Published, QoS, Receipt};

use crate::{
    args::{PropertyCommand, PublishArgs},
    connection::{self, connect, disconnect, interruption},
    exit::Failure,
    payload::{Lines, Payloads},
};

/// Messages of `-l` that wait for the broker's answer; reading goes on when one has it.
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

async fn publish(args: PublishArgs) -> Result<ExitCode, Failure> {
    args.connection
        .properties
        .check("mqtt pub", &SENDS)
        .map_err(Failure::usage)?;
    let topic_name = args.topic_name()?;
    let payloads = Payloads::open(args.source)?;
    let target = Target {
        topic_name,
        qos: args.qos,
        retain: args.retain,
        properties: args.connection.properties.publish(),
    };
    let mut interruption = pin!(interruption(None)?);
    let client = tokio::select! {
        code = &mut interruption => return Ok(code),
        client = connect(&args.connection) => client?,
    };
    let published = tokio::select! {
        code = &mut interruption => Err(code),
        published = target.publish_all(&client, payloads) => Ok(published),
    };
    match published {
        Ok(Ok(())) => {
            // A connection that is gone by now may have been lost before messages of QoS 0.
            disconnect(&client, &args.connection)
                .await
                .map_err(|error| target.failure(&error))?;
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

/// Where the messages go, and how.
struct Target {
    topic_name: String,
    qos: QoS,
    retain: bool,
    properties: MessageProperties,
}

impl Target {
    async fn publish_all(&self, client: &Client, payloads: Payloads) -> Result<(), Failure> {
        match payloads {
            Payloads::One(payload) => {
                self.message(client, payload)
                    .await
                    .map_err(|error| self.failure(&error))?;
                Ok(())
            }
            Payloads::Lines(lines) => self.publish_lines(client, lines).await,
        }
    }

    /// Publishes the lines while they come, many at once, in order.
    async fn publish_lines(&self, client: &Client, mut lines: Lines) -> Result<(), Failure> {
        let mut receipts = VecDeque::new();
        loop {
            tokio::select! {
                line = lines.next(), if receipts.len() < UNANSWERED_MAX => {
                    let Some(payload) = line? else { break };
                    let receipt = self.message(client, payload).enqueue().await;
                    receipts.push_back(receipt.map_err(|error| self.failure(&error))?);
                }
                answer = first_answer(&mut receipts) => {
                    answer.map_err(|error| self.failure(&error))?;
                }
                reason = client.closed() => return Err(self.failure(&reason)),
            }
        }
        for receipt in receipts {
            receipt.await.map_err(|error| self.failure(&error))?;
        }
        Ok(())
    }

    fn message(&self, client: &Client, payload: Vec<u8>) -> Publish {
        let message = client
            .publish(&self.topic_name, payload)
            .qos(self.qos)
            .properties(self.properties.clone());
        if self.retain {
            message.retain()
        } else {
            message
        }
    }

    fn failure(&self, error: &impl std::fmt::Display) -> Failure {
        Failure::run_time(format_args!(
            "cannot publish to {}: {error}",
            self.topic_name
        ))
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
