//! Sockets and tasks: listeners, one task per connection, one clock.

mod accept;
mod clock;
mod task;

pub(crate) use accept::{Bound, Door, serve};
pub(crate) use clock::{Clock, run_ticks};
