//! Tries to connect to a port nobody listens on, and is told so.
// dependency: tokio = { version = "1", features = ["macros", "rt"] }

use std::net::TcpListener;
use std::time::Duration;

use mqtt_client::Client;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let free = TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("a free port");
    let connecting = Client::builder(free.to_string())
        .connect_timeout(Duration::from_secs(5))
        .connect();
    assert!(connecting.await.is_err());
}
