//! Publishes five messages alternately to two topics, each acknowledged, and disconnects; without async.
#![expect(clippy::print_stdout, reason = "a program that talks to people")]

use mqtt_client::QoS;
use mqtt_client::blocking::Client;
use std::error::Error;

const TOPICS: [&str; 2] = ["rust/mqtt", "rust/test"];

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    run(address.as_deref().unwrap_or("mqtt://localhost:1883"))
}

/// Does the work against the server at `address`.
pub fn run(address: &str) -> Result<(), Box<dyn Error>> {
    let client = Client::builder(address)
        .client_id("rust_publish")
        .connect()?;
    for (number, topic_name) in TOPICS.into_iter().cycle().take(5).enumerate() {
        let payload = format!("Hello world! {number}");
        println!("Publishing to {topic_name}");
        client
            .publish(topic_name, payload)
            .qos(QoS::AtLeastOnce)
            .send()?;
    }
    client.disconnect().send()?;
    Ok(())
}
