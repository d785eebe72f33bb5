//! What users of other clients complained about, shown with mqtt-client and a broker; `docs/design/client.md` lists it.
//!
//! Compiled twice: against our broker here, against Mosquitto in `tests/interop`.

mod gate;
mod publishing;
mod receiving;
mod sessions;

use crate::broker::TestBroker;
use gate::Gate;
use mqtt_client::{Client, ClientBuilder, Event, Events, QoS, Reconnect, Subscription};
use std::time::Duration;
use tokio::time::timeout;

/// A client that connects again at once and keeps its session.
fn builder(address: &str, client_id: &str) -> ClientBuilder {
    let soon = Reconnect::new()
        .seed(1)
        .first_delay(Duration::from_millis(2))
        .max_delay(Duration::from_millis(20));
    Client::builder(address)
        .client_id(client_id)
        .session_expiry(Duration::from_secs(60))
        .reconnect(soon)
}

async fn connect(address: &str, client_id: &str) -> Client {
    builder(address, client_id).connect().await.unwrap()
}

async fn subscribe(client: &Client, topic_filter: &str, qos: QoS) -> Subscription {
    client.subscribe(topic_filter).qos(qos).await.unwrap()
}

async fn publish(client: &Client, topic_name: &str, payload: impl ToString, qos: QoS) {
    let publish = client.publish(topic_name, payload.to_string()).qos(qos);
    publish.await.unwrap();
}

/// How long a broker may take before it counts as never: a test fails then, and does not hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// The next message as text.
async fn next_text(subscription: &mut Subscription) -> String {
    let message = timeout(PATIENCE, subscription.next()).await.unwrap();
    message.unwrap().text().unwrap().to_owned()
}

/// Waits for the next connection: whether the broker had kept the session.
async fn connected_again(events: &mut Events) -> bool {
    loop {
        let event = timeout(PATIENCE, events.next()).await.unwrap();
        if let Event::Connected { connack, .. } = event.unwrap() {
            return connack.session_present;
        }
    }
}

/// A broker, and a way to it that can be cut.
async fn broker_behind_gate() -> (TestBroker, Gate) {
    let broker = TestBroker::start().await;
    let gate = Gate::start(broker.addr).await;
    (broker, gate)
}
