//! Publishes five messages alternately to two topics, each acknowledged, and disconnects.
#![expect(clippy::print_stdout, reason = "a program that talks to people")]

use mqtt_client::{Client, QoS};
use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    run("mqtt://localhost:1883").await
}

pub(crate) async fn run(address: &str) -> Result<(), Box<dyn Error>> {
    let client = Client::builder(address).client_id("rust_publish");
    let client = client.connect().await?;
    for number in 0..5 {
        let topic_name = if number % 2 == 0 {
            "rust/mqtt"
        } else {
            "rust/test"
        };
        let payload = format!("Hello world! {number}");
        let publish = client.publish(topic_name, payload);
        publish.qos(QoS::AtLeastOnce).await?;
        println!("published to {topic_name}");
    }
    client.disconnect().await?;
    Ok(())
}
