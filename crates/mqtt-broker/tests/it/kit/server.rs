//! A broker of its own for each test.

use mqtt_broker::{
    Access, AllowAll, Broker, Builder, CommitLog, Config, MemoryLog, ReloadError, ReloadReport,
};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// A broker on a free port, gone when the test is over.
pub(crate) struct Server {
    broker: Option<Broker>,
    runtime: Runtime,
    addr: SocketAddr,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// A broker with some of its configuration changed.
    pub(crate) fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::of(change, AllowAll, MemoryLog)
    }

    pub(crate) fn with_access(access: impl Access) -> Self {
        Self::of(|_| {}, access, MemoryLog)
    }

    pub(crate) fn with_log(log: impl CommitLog) -> Self {
        Self::of(|_| {}, AllowAll, log)
    }

    pub(crate) fn of(
        change: impl FnOnce(&mut Config),
        access: impl Access,
        log: impl CommitLog,
    ) -> Self {
        Self::built(change, |builder| builder.access(access).commit_log(log))
    }

    /// A broker with some of its configuration changed, and with more plugged in.
    pub(crate) fn built(
        change: impl FnOnce(&mut Config),
        build: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let mut config = Config::default();
        config.listen_only_on(["127.0.0.1:0".parse().unwrap()]);
        change(&mut config);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let builder = build(Broker::builder().config(config));
        let broker = runtime.block_on(builder.start()).unwrap();
        let addr = broker.local_addrs()[0];
        Self {
            broker: Some(broker),
            runtime,
            addr,
        }
    }

    pub(crate) fn addr(&self) -> SocketAddr {
        self.addr
    }

    pub(crate) fn broker(&self) -> &Broker {
        self.broker.as_ref().unwrap()
    }

    /// Runs something that waits, on the broker's runtime.
    pub(crate) fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    /// Gives it another configuration.
    pub(crate) fn reload(&self, config: Config) -> Result<ReloadReport, ReloadError> {
        self.block_on(self.broker().reload(config))
    }

    /// Starts a shutdown and comes back at once; connections learn of it in their own time.
    pub(crate) fn begin_shutdown(&mut self) {
        let broker = self.broker.take().unwrap();
        self.runtime.spawn(broker.shutdown());
    }

    /// Shuts it down and returns when that is done.
    pub(crate) fn shutdown(mut self) {
        let broker = self.broker.take().unwrap();
        self.runtime.block_on(broker.shutdown());
    }

    /// Waits until `condition` holds of the broker.
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn(&Broker) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while !condition(self.broker()) {
            assert!(Instant::now() < deadline, "not in time: {what}");
            std::thread::yield_now();
        }
    }

    /// Waits until only so many connections are left.
    pub(crate) fn wait_for_connections(&self, connections: usize) {
        self.wait_until("connections", |broker| {
            broker.sizes().connections == connections
        });
    }
}
