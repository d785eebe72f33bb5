//! Prints what comes on two topics, with a Will, a session that is kept, and reconnection.
#![expect(clippy::print_stdout, reason = "a program that talks to people")]

use mqtt_client::{Client, QoS, Will};
use std::{error::Error, time::Duration};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run("mqtt://localhost:1883", usize::MAX).await
}

pub(crate) async fn run(address: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let client = Client::builder(address).client_id("rust_subscribe");
    let client = client.will(Will::new("rust/gone", "Subscriber lost connection"));
    let client = client.session_expiry(Duration::from_secs(3600));
    let client = client.clean_start(false).connect().await?;
    let topics = client.subscribe("rust/mqtt");
    let mut messages = topics.and("rust/test", QoS::AtLeastOnce).await?;
    for _ in 0..count {
        let message = messages.next().await.ok_or("the client has ended")?;
        println!("{}: {}", message.topic_name(), message.text()?);
    }
    Ok(client.disconnect().await?)
}
