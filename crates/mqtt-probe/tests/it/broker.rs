//! A broker of the test's own.

use mqtt_broker::{Broker, Config};
use mqtt_client::{Client, ClientBuilder, Reconnect};

/// A broker that ends with this value.
pub(crate) struct TestBroker {
    address: String,
    _broker: Broker,
}

impl TestBroker {
    /// One with this in its configuration.
    pub(crate) async fn start(configuration: &str) -> Self {
        let text = format!("listeners.tcp.default.bind = '127.0.0.1:0'\n{configuration}");
        let config = Config::from_toml(&text, "test").unwrap();
        let broker = Broker::builder().config(config).start().await.unwrap();
        let addr = broker.local_addrs().first().copied().unwrap();
        Self {
            address: format!("mqtt://{addr}"),
            _broker: broker,
        }
    }

    pub(crate) fn builder(&self) -> ClientBuilder {
        Client::builder(&self.address).reconnect(Reconnect::never())
    }

    pub(crate) async fn client(&self, client_id: &str) -> Client {
        let builder = self.builder().client_id(client_id);
        builder.connect().await.unwrap()
    }
}
