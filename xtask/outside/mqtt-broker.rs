//! Starts a broker on a free port and stops it.
// dependency: tokio = { version = "1", features = ["macros", "rt"] }

use mqtt_broker::{Broker, Config};

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let config = Config::from_toml("listeners.tcp.default.bind = '127.0.0.1:0'", "inline")
        .expect("a configuration");
    let broker = Broker::builder()
        .config(config)
        .start()
        .await
        .expect("a free port");
    assert_eq!(broker.local_addrs().len(), 1);
    broker.shutdown().await;
}
