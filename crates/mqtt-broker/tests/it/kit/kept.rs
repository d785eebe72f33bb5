//! A broker that ends in the midst of it all, and the one after it.

use super::client::Client;
use super::message::Post;
use super::server::Server;
use super::{QOS1, V5};
use mqtt_broker::{Config, Durable};
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A broker that keeps its state in a directory.
pub(crate) struct Kept {
    pub(crate) server: Server,
    pub(crate) dir: TempDir,
    change: fn(&mut Config),
}

impl Kept {
    pub(crate) fn start() -> Self {
        Self::with(|_| {})
    }

    /// A broker with some of its configuration changed, as those after it.
    pub(crate) fn with(change: fn(&mut Config)) -> Self {
        Self::on(tempfile::tempdir().unwrap(), change)
    }

    fn on(dir: TempDir, change: fn(&mut Config)) -> Self {
        let mut config = Config::default();
        change(&mut config);
        let durable = Durable::open(dir.path(), &config, |_| {}).unwrap();
        let server = Server::built(change, |builder| builder.durable(durable));
        Self {
            server,
            dir,
            change,
        }
    }

    /// The broker after this one, as if it had been killed now: what its files hold is what there is.
    pub(crate) fn kill(self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy(self.dir.path(), dir.path());
        let next = Self::on(dir, self.change);
        // Only now: the end of the broker that is no more must not be written anywhere that counts.
        drop(self);
        next
    }

    /// Returns when everything written so far is durable.
    pub(crate) fn settle(&self) {
        let mut client = Client::connect(&self.server, V5, "settler");
        client.publish_fully(&Post {
            qos: QOS1,
            retain: true,
            ..Post::new("settled", b"x")
        });
        client.disconnect();
    }

    /// The broker after this one, which has been shut down.
    pub(crate) fn restart(self) -> Self {
        let Self {
            server,
            dir,
            change,
        } = self;
        server.shutdown();
        Self::on(dir, change)
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}
