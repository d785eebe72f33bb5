//! Publishes five messages alternately to two topics, each acknowledged, and disconnects; without async.
#![expect(clippy::print_stdout, reason = "a program that talks to people")]

use mqtt_client::QoS;
use mqtt_client::blocking::Client;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    run("mqtt://localhost:1883")
}

pub(crate) fn run(address: &str) -> Result<(), Box<dyn Error>> {
    let client = Client::builder(address).client_id("rust_publish");
    let client = client.connect()?;
    for number in 0..5 {
        let topic_name = if number % 2 == 0 {
            "rust/mqtt"
        } else {
            "rust/test"
        };
        let payload = format!("Hello world! {number}");
        let publish = client.publish(topic_name, payload);
        publish.qos(QoS::AtLeastOnce).send()?;
        println!("published to {topic_name}");
    }
    client.disconnect().send()?;
    Ok(())
}
