//! The broker of the tests in `client`: ours.

use mqtt_broker::{Broker, Config};
use mqtt_client::QoS;
use std::net::SocketAddr;

/// A broker that ends with this value.
pub(crate) struct TestBroker {
    pub(crate) addr: SocketAddr,
    _broker: Broker,
}

impl TestBroker {
    /// Where it says that nobody is subscribed, which brokers may leave out.
    pub(crate) const SAYS_NOBODY: &[QoS] = &[QoS::AtLeastOnce, QoS::ExactlyOnce];

    pub(crate) async fn start() -> Self {
        let text = "listeners.tcp.default.bind = '127.0.0.1:0'";
        let config = Config::from_toml(text, "test").unwrap();
        let broker = Broker::builder().config(config).start().await.unwrap();
        Self {
            addr: broker.local_addrs()[0],
            _broker: broker,
        }
    }

    pub(crate) fn address(&self) -> String {
        format!("mqtt://{}", self.addr)
    }
}
