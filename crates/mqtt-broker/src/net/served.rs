//! A connection as its lane serves it.

use super::task::ConnectionTask;
use crate::core::cause::EndCause;
use crate::core::lane::Lane;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// A connection that its lane serves, until it is over or moves.
pub(crate) struct Served(Option<ConnectionTask>);

impl Served {
    /// Serves `task` on another lane.
    pub(crate) fn start(mut task: ConnectionTask, lane: Lane) {
        task.connection.lane = lane;
        let door = Arc::clone(task.places.door());
        let Some(runtime) = door.lanes.runtime(lane) else {
            return;
        };
        let entered = runtime.enter();
        match task.stream.move_to_current_runtime() {
            Ok(()) => {
                drop(entered);
                runtime.spawn(Self(Some(task)));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot move a connection");
                task.finish(EndCause::ConnectionLost);
            }
        }
    }

    /// Serves `task` on the first lane, where it was accepted.
    pub(crate) fn start_here(task: ConnectionTask) {
        tokio::spawn(Self(Some(task)));
    }
}

impl Future for Served {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(task) = &mut self.0 else {
            return Poll::Ready(());
        };
        let lane_before = task.connection.lane;
        if task.poll_served(cx).is_ready() {
            return Poll::Ready(());
        }
        let lane = task.connection.lane;
        if lane == lane_before {
            return Poll::Pending;
        }
        // What is told to the waker that is given up here is seen in the first turn over there.
        if let Some(task) = self.0.take() {
            Self::start(task, lane);
        }
        Poll::Ready(())
    }
}
