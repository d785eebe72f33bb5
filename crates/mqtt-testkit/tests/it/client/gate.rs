//! A way between client and broker that a test opens, cuts and stops up.

use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What happens to the connections there are and to new ones.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Now {
    Open,
    /// Those there are end, new ones go through.
    Cut,
    /// As `Cut`, and new ones end at once too.
    Closed,
    /// What those there are send vanishes, and nobody is told; new ones go through.
    Stopped,
}

/// A listening socket in front of a broker; ends with its value.
pub(crate) struct Gate {
    pub(crate) address: String,
    now: watch::Sender<Now>,
    task: JoinHandle<()>,
}

impl Gate {
    pub(crate) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("mqtt://{}", listener.local_addr().unwrap());
        let (now, receiver) = watch::channel(Now::Open);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let mut receiver = receiver.clone();
                if *receiver.borrow_and_update() != Now::Closed {
                    tokio::spawn(carry(near, to, receiver));
                }
            }
        });
        Self { address, now, task }
    }

    /// Ends the connections there are.
    pub(crate) fn cut(&self) {
        self.now.send_replace(Now::Cut);
    }

    /// Ends the connections there are, and lets no other through until [`Gate::open`].
    pub(crate) fn close(&self) {
        self.now.send_replace(Now::Closed);
    }

    pub(crate) fn open(&self) {
        self.now.send_replace(Now::Open);
    }

    /// Leaves the connections there are half open: what is sent on them is lost.
    pub(crate) fn stop(&self) {
        self.now.send_replace(Now::Stopped);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(mut near: TcpStream, to: SocketAddr, mut now: watch::Receiver<Now>) {
    let Ok(mut far) = TcpStream::connect(to).await else {
        return;
    };
    let changed = async {
        while now.changed().await.is_ok() {
            let now = *now.borrow_and_update();
            if now != Now::Open {
                return now;
            }
        }
        Now::Cut
    };
    let stopped = tokio::select! {
        _ = copy_bidirectional(&mut near, &mut far) => return,
        now = changed => now == Now::Stopped,
    };
    let mut lost = [0; 4096];
    while stopped && matches!(near.read(&mut lost).await, Ok(1..)) {}
}
