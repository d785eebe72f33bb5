//! Paho for Rust, which runs threads of Paho for C.

use crate::Failure;
use crate::client::{END, Measurement, Received, TOPIC, Taken, Work};
use paho_mqtt::{
    AsyncClient, ConnectOptionsBuilder, CreateOptionsBuilder, DeliveryToken, Message,
    PersistenceType, PropertyCode, properties,
};
use std::collections::VecDeque;

fn connected(client: &AsyncClient, work: &Work) -> Result<(), Failure> {
    let options = ConnectOptionsBuilder::new_v5()
        .max_inflight(work.window.into())
        .clean_start(true)
        .properties(properties![PropertyCode::ReceiveMaximum => work.window])
        .finalize();
    client.connect(options).wait()?;
    Ok(())
}

fn client(work: &Work) -> Result<AsyncClient, Failure> {
    let options = CreateOptionsBuilder::new_v3()
        .mqtt_version(5)
        .server_uri(format!("tcp://{}", work.broker))
        .client_id("paho")
        .persistence(PersistenceType::None)
        .finalize();
    Ok(AsyncClient::new(options)?)
}

pub(crate) fn publish(work: &Work) -> Result<Taken, Failure> {
    let client = client(work)?;
    connected(&client, work)?;
    send(&client, work, work.messages / 10)?;
    let measurement = Measurement::begin();
    send(&client, work, work.messages)?;
    let taken = measurement.taken();
    client.disconnect(None).wait()?;
    Ok(taken)
}

/// As many at a time as the window has; the broker has all of them at the end.
fn send(client: &AsyncClient, work: &Work, messages: u64) -> Result<(), Failure> {
    let payload = vec![b'x'; work.payload];
    let mut tokens: VecDeque<DeliveryToken> = VecDeque::new();
    for _ in 0..messages {
        let message = Message::new(TOPIC, payload.as_slice(), i32::from(work.qos));
        tokens.push_back(client.try_publish(message)?);
        if tokens.len() == usize::from(work.window)
            && let Some(oldest) = tokens.pop_front()
        {
            oldest.wait()?;
        }
    }
    for token in tokens {
        token.wait()?;
    }
    client.publish(Message::new(END, "", 1)).wait()?;
    Ok(())
}

pub(crate) fn receive(work: &Work) -> Result<Taken, Failure> {
    let client = client(work)?;
    let messages = client.start_consuming();
    connected(&client, work)?;
    client.subscribe(TOPIC, i32::from(work.qos)).wait()?;
    let mut received = Received::begin(work)?;
    for message in messages.iter().flatten() {
        assert_eq!(message.payload().len(), work.payload);
        if let Some(taken) = received.add()? {
            client.disconnect(None).wait()?;
            return Ok(taken);
        }
    }
    Err("the stream ended".into())
}
