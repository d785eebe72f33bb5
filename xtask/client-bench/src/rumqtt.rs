//! rumqttc, its MQTT 5 client.

use crate::Failure;
use crate::client::{END, Measurement, Received, TOPIC, Taken, Work};
use rumqttc::Outgoing;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, EventLoop, MqttOptions};
use std::time::Duration;
use tokio::runtime::Builder;

fn connection(work: &Work) -> (AsyncClient, EventLoop) {
    let broker = work.broker;
    let mut options = MqttOptions::new("rumqttc", broker.ip().to_string(), broker.port());
    options.set_keep_alive(Duration::from_secs(60));
    options.set_outgoing_inflight_upper_limit(work.window);
    options.set_receive_maximum(Some(work.window));
    options.set_max_packet_size(Some(1 << 20));
    AsyncClient::new(options, work.window.into())
}

fn qos(work: &Work) -> QoS {
    match work.qos {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

pub(crate) fn publish(work: &Work) -> Result<Taken, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, mut eventloop) = connection(work);
        send(&client, &mut eventloop, work, work.messages / 10).await?;
        let measurement = Measurement::begin();
        send(&client, &mut eventloop, work, work.messages).await?;
        Ok(measurement.taken())
    })
}

/// One task hands over what another polls out; the broker has all of it at the end.
async fn send(
    client: &AsyncClient,
    eventloop: &mut EventLoop,
    work: &Work,
    messages: u64,
) -> Result<(), Failure> {
    let (client, qos, len) = (client.clone(), qos(work), work.payload);
    let publishing = tokio::spawn(async move {
        let payload = rumqttc_payload(len);
        for _ in 0..messages {
            client
                .publish_bytes(TOPIC, qos, false, payload.clone())
                .await?;
        }
        client.publish(END, QoS::AtLeastOnce, false, "").await
    });
    // The last message is of QoS 1 and has to be answered too.
    let (mut sent, mut answered) = (0, 0);
    let unanswered = if qos == QoS::AtMostOnce { messages } else { 0 };
    while sent + answered < 2 * messages + 2 - unanswered {
        match eventloop.poll().await? {
            Event::Outgoing(Outgoing::Publish(_)) => sent += 1,
            Event::Incoming(Packet::PubAck(_) | Packet::PubComp(_)) => answered += 1,
            _ => {}
        }
    }
    Ok(publishing.await??)
}

fn rumqttc_payload(len: usize) -> mqtt_client::Bytes {
    vec![b'x'; len].into()
}

pub(crate) fn receive(work: &Work) -> Result<Taken, Failure> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (client, mut eventloop) = connection(work);
        client.subscribe(TOPIC, qos(work)).await?;
        while !matches!(eventloop.poll().await?, Event::Incoming(Packet::SubAck(_))) {}
        let mut received = Received::begin(work)?;
        loop {
            if let Event::Incoming(Packet::Publish(publish)) = eventloop.poll().await? {
                assert_eq!(publish.payload.len(), work.payload);
                if let Some(taken) = received.add()? {
                    return Ok(taken);
                }
            }
        }
    })
}
