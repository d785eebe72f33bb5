//! Starts a broker on a free port and stops it.
// dependency: tokio = { version = "1", features = ["macros", "rt"] }

use mqtt_broker::{Broker, Config, Guard};

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
    asks_a_database();
}

/// A broker that cannot ask a database says so, and does not pass over it.
fn asks_a_database() {
    let text = "[[authentication]]\nmechanism = 'password_based'\nbackend = 'redis'\n";
    let config = Config::from_toml(text, "inline").expect("keys that are known");
    let error = Guard::check(&config).expect_err("it says not what to ask");
    let error = error.to_string();
    let says = ["built without `redis`", "it has no `cmd`"];
    assert!(says.iter().any(|said| error.contains(said)), "{error}");
}
