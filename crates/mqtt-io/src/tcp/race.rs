//! Several addresses tried at once, each a little after the one before.

use super::TcpOptions;
use crate::connector::Progress;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Sleep, sleep};

/// How long an address has for itself before the next is tried beside it; RFC 8305 §5.
const HEAD_START: Duration = Duration::from_millis(250);

/// An address that has not answered yet.
struct Running {
    address: SocketAddr,
    connecting: Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>,
}

/// The first address that answers wins; the others are dropped.
pub(super) struct Race<'a> {
    options: &'a TcpOptions,
    progress: &'a Progress,
    waiting: std::vec::IntoIter<SocketAddr>,
    running: Vec<Running>,
    /// The youngest address's; none once an address has failed.
    head_start: Option<Pin<Box<Sleep>>>,
}

impl<'a> Race<'a> {
    pub(super) fn new(
        addresses: Vec<SocketAddr>,
        options: &'a TcpOptions,
        progress: &'a Progress,
    ) -> Self {
        Self {
            options,
            progress,
            waiting: addresses.into_iter(),
            running: Vec::new(),
            head_start: None,
        }
    }

    /// The connection of the winner; none when every address has failed, which `progress` knows of.
    pub(super) async fn winner(&mut self) -> Option<TcpStream> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<TcpStream>> {
        loop {
            if let Some(winner) = self.poll_running(cx) {
                return Poll::Ready(Some(winner));
            }
            let is_time = match &mut self.head_start {
                Some(sleep) => sleep.as_mut().poll(cx).is_ready(),
                None => true,
            };
            if !is_time {
                return Poll::Pending;
            }
            match self.waiting.next() {
                Some(address) => self.start(address),
                None if self.running.is_empty() => return Poll::Ready(None),
                None => return Poll::Pending,
            }
        }
    }

    fn start(&mut self, address: SocketAddr) {
        self.progress.started(address);
        match self.options.socket(address) {
            Err(error) => {
                self.progress.failed(address, error);
                self.head_start = None;
            }
            Ok(socket) => {
                self.running.push(Running {
                    address,
                    connecting: Box::pin(socket.connect(address)),
                });
                self.head_start = Some(Box::pin(sleep(HEAD_START)));
            }
        }
    }

    fn poll_running(&mut self, cx: &mut Context<'_>) -> Option<TcpStream> {
        let Self {
            running,
            progress,
            head_start,
            ..
        } = self;
        let mut winner = None;
        running.retain_mut(|one| {
            if winner.is_some() {
                return false;
            }
            match one.connecting.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(tcp)) => {
                    winner = Some(tcp);
                    false
                }
                Poll::Ready(Err(error)) => {
                    progress.failed(one.address, error);
                    *head_start = None;
                    false
                }
            }
        });
        winner
    }
}
