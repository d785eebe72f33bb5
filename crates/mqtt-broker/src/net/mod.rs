//! Sockets and tasks: listeners, one task per connection, one clock.

mod accept;
mod clock;
mod memory;
mod task;

pub(crate) use accept::{Bound, Door, Terms, serve};
pub(crate) use clock::{Clock, run_ticks};
pub(crate) use memory::available as available_memory;
