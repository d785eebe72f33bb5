//! A broker with an admin channel for each test.

use mqtt_admin::{Channel, Client, Host, Service};
use mqtt_broker::{Broker, Config};
use mqtt_codec::ProtocolVersion;
use mqtt_testkit::raw::RawClient;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A program that has a log level and nothing else.
#[derive(Clone, Default)]
pub(crate) struct TestHost {
    pub(crate) level: Arc<Mutex<String>>,
    /// Its configuration file.
    pub(crate) file: Arc<Mutex<String>>,
}

impl Host for TestHost {
    fn load(&self) -> Result<Config, String> {
        self.read(&self.file.lock().unwrap(), "broker.toml")
    }

    fn read(&self, text: &str, origin: &str) -> Result<Config, String> {
        let config = Config::from_toml(text, origin);
        let mut config = config.map_err(|error| error.to_string())?;
        config.listen_only_on(["127.0.0.1:0".parse().unwrap()]);
        Ok(config)
    }

    fn taken_over(&self, config: &Config) {
        config
            .log
            .level
            .name()
            .clone_into(&mut self.level.lock().unwrap());
    }

    fn log_level(&self) -> String {
        self.level.lock().unwrap().clone()
    }

    fn set_log_level(&self, level: &str) -> Result<(), String> {
        if level == "loud" {
            return Err("no such level".to_owned());
        }
        level.clone_into(&mut self.level.lock().unwrap());
        Ok(())
    }
}

/// All is gone when the test is over.
pub(crate) struct Server {
    pub(crate) channel: Option<Channel>,
    pub(crate) broker: Broker,
    pub(crate) host: TestHost,
    dir: TempDir,
    _runtime: Runtime,
}

impl Server {
    pub(crate) fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let mut config = Config::default();
        config.listen_only_on(["127.0.0.1:0".parse().unwrap()]);
        let starting = Broker::builder().config(config).start();
        let broker = runtime.block_on(starting).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let host = TestHost::default();
        let service = Service::new(broker.manager().clone(), host.clone());
        let channel = Channel::open(dir.path().join("admin.sock"), service).unwrap();
        Self {
            channel: Some(channel),
            broker,
            host,
            dir,
            _runtime: runtime,
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("admin.sock")
    }

    pub(crate) fn admin(&self) -> Client {
        Client::connect(self.socket()).unwrap()
    }

    /// A client of the broker that is connected.
    pub(crate) fn client(&self, client_id: &str) -> RawClient {
        let addr = *self.broker.local_addrs().first().unwrap();
        let version = ProtocolVersion::from_level(5).unwrap();
        let mut client = RawClient::connect(addr, version).unwrap();
        client.send_bytes(&connect_bytes(client_id)).unwrap();
        client.receive().unwrap();
        client
    }
}

/// CONNECT of v5 with Clean Start.
fn connect_bytes(client_id: &str) -> Vec<u8> {
    let mut body = b"\0\x04MQTT\x05\x02\0\x3c\0\0".to_vec();
    body.push(u8::try_from(client_id.len()).unwrap());
    body.extend_from_slice(client_id.as_bytes());
    let mut packet = vec![0x10, u8::try_from(body.len()).unwrap()];
    packet.append(&mut body);
    packet
}
