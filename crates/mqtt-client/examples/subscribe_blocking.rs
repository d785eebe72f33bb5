//! Prints what comes on two topics, with a Will, a session that is kept, and reconnection; without async.
#![expect(clippy::print_stdout, reason = "a program that talks to people")]

use mqtt_client::{QoS, Will, blocking::Client};
use std::{error::Error, time::Duration};

fn main() -> Result<(), Box<dyn Error>> {
    run("mqtt://localhost:1883", usize::MAX)
}

pub(crate) fn run(address: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let client = Client::builder(address).client_id("rust_subscribe");
    let client = client.will(Will::new("rust/gone", "Subscriber lost connection"));
    let hour = Duration::from_secs(3600);
    let client = client.clean_start(false).session_expiry(hour).connect()?;
    let topics = client
        .subscribe("rust/mqtt")
        .and("rust/test", QoS::AtLeastOnce);
    for message in topics.send()?.take(count) {
        println!("{}: {}", message.topic_name(), message.text()?);
    }
    Ok(client.disconnect().send()?)
}
