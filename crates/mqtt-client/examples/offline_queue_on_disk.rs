//! Measures without a break: what is accepted while the server is away, or before the program dies, arrives later.
#![expect(clippy::print_stdout, reason = "a program that talks to people")]

use mqtt_client::{Client, QoS};
use std::error::Error;
use std::path::Path;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let client = begin("mqtt://localhost:1883", Path::new("meter-3.store"))?;
    for value in 0u32.. {
        measure(&client, &value.to_string()).await?;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

/// A client that keeps what it has accepted in the directory `store`; it does not wait for the server.
pub(crate) fn begin(address: &str, store: &Path) -> Result<Client, Box<dyn Error>> {
    let client = Client::builder(address).client_id("meter-3").store(store);
    let client = client.start()?;
    for earlier in client.restored() {
        tokio::spawn(async move {
            match earlier.receipt.await {
                Ok(_) => println!("{:?} of the last run has arrived", earlier.payload),
                Err(error) => println!("{:?} of the last run: {error}", earlier.payload),
            }
        });
    }
    Ok(client)
}

/// Accepts one value: when this returns, it is on the disk.
pub(crate) async fn measure(client: &Client, value: &str) -> Result<(), Box<dyn Error>> {
    let publish = client.publish("meters/3", value.to_owned());
    let publish = publish.qos(QoS::ExactlyOnce);
    // Old values are of no use to anybody.
    let publish = publish.message_expiry(Duration::from_secs(7 * 24 * 3600));
    drop(publish.enqueue().await?);
    Ok(())
}
