//! mqtt-client.

use crate::Failure;
use crate::client::{END, Measurement, Received, TOPIC, Taken, Work};
use mqtt_client::{Bytes, Client, ClientBuilder, ProtocolVersion, QoS, Receipt};
use std::collections::VecDeque;
use tokio::runtime::Builder;

fn builder(work: &Work) -> ClientBuilder {
    Client::builder(format!("mqtt://{}", work.broker))
        .client_id("ours")
        .version(ProtocolVersion::V5)
        .publish_capacity(work.window.into())
        .receive_maximum(work.window)
}

fn qos(work: &Work) -> QoS {
    QoS::from_u8(work.qos).unwrap_or(QoS::AtMostOnce)
}

pub(crate) fn publish(work: &Work) -> Result<Taken, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = builder(work).connect().await?;
        let payload = Bytes::from(vec![b'x'; work.payload]);
        send(&client, work, work.messages / 10, &payload).await?;
        let measurement = Measurement::begin();
        send(&client, work, work.messages, &payload).await?;
        let taken = measurement.taken();
        client.disconnect().await?;
        Ok(taken)
    })
}

/// As many at a time as the window has; the broker has all of them at the end.
async fn send(client: &Client, work: &Work, messages: u64, payload: &Bytes) -> Result<(), Failure> {
    let mut receipts: VecDeque<Receipt> = VecDeque::new();
    for _ in 0..messages {
        let publish = client.publish(TOPIC, payload.clone()).qos(qos(work));
        receipts.push_back(publish.enqueue().await?);
        if receipts.len() == usize::from(work.window)
            && let Some(oldest) = receipts.pop_front()
        {
            oldest.await?;
        }
    }
    for receipt in receipts {
        receipt.await?;
    }
    client.publish(END, "").qos(QoS::AtLeastOnce).await?;
    Ok(())
}

pub(crate) fn receive(work: &Work) -> Result<Taken, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = builder(work).connect().await?;
        let subscribe = client.subscribe(TOPIC).qos(qos(work)).capacity(1 << 16);
        let mut subscription = subscribe.await?;
        let mut received = Received::begin(work)?;
        while let Some(message) = subscription.next().await {
            assert_eq!(message.payload().len(), work.payload);
            if let Some(taken) = received.add()? {
                client.disconnect().await?;
                return Ok(taken);
            }
        }
        Err("the stream ended".into())
    })
}
