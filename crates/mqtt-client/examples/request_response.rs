//! Asks a question and gets the answer to it, over a topic that is made for answers; from MQTT 5 on.
#![expect(clippy::print_stdout, reason = "a program that talks to people")]

use mqtt_client::{Client, QoS};
use std::error::Error;
use std::time::Duration;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("mqtt://localhost:1883");
    println!("{}", run(address, "how are you?").await?);
    Ok(())
}

/// The answer of a service, which runs here as well, to `question`.
pub(crate) async fn run(address: &str, question: &str) -> Result<String, Box<dyn Error>> {
    let service = Client::builder(address).connect().await?;
    let mut questions = service
        .subscribe("service/shout")
        .qos(QoS::AtLeastOnce)
        .await?;
    let answering = tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let answer = question.text().unwrap_or_default().to_uppercase();
            if let Some(response) = service.respond(&question, answer)
                && let Err(error) = response.qos(QoS::AtLeastOnce).await
            {
                println!("no answer given: {error}");
            }
        }
    });

    let client = Client::builder(address).connect().await?;
    let request = client
        .request("service/shout", question.to_owned())
        .qos(QoS::AtLeastOnce);
    let response = request.timeout(Duration::from_secs(5)).await?;
    answering.abort();
    client.disconnect().await?;
    Ok(response.text()?.to_owned())
}
