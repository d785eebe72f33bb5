//! Acknowledges each job only after it is done, so that none is lost when the program ends in the middle of one.
#![expect(clippy::print_stdout, reason = "a program that talks to people")]

use mqtt_client::{Client, QoS, ReasonCode, Unanswered, WhenStalled};
use std::error::Error;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    run(
        address.as_deref().unwrap_or("mqtt://localhost:1883"),
        usize::MAX,
    )
    .await
}

/// Does `count` jobs that come from the server at `address`.
pub(crate) async fn run(address: &str, count: usize) -> Result<(), Box<dyn Error>> {
    let client = Client::builder(address)
        .client_id("worker-1")
        .clean_start(false)
        .session_expiry(Duration::from_secs(24 * 3600))
        .connect()
        .await?;
    let mut jobs = client
        .subscribe("jobs/#")
        .qos(QoS::AtLeastOnce)
        .on_unanswered(Unanswered::Leave)
        .when_stalled(WhenStalled::Reject(ReasonCode::QUOTA_EXCEEDED))
        .await?;
    for _ in 0..count {
        let Some(job) = jobs.next().await else { break };
        match work(job.payload()) {
            Ok(()) => job.ack(),
            Err(reason) => job.reject(reason),
        }
    }
    client.disconnect().await?;
    Ok(())
}

fn work(job: &[u8]) -> Result<(), ReasonCode> {
    if job.is_empty() {
        return Err(ReasonCode::PAYLOAD_FORMAT_INVALID);
    }
    println!("done: {}", String::from_utf8_lossy(job));
    Ok(())
}
