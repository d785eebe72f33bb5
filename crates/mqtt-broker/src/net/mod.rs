//! Sockets and tasks: listeners, one task per connection, one clock.

mod accept;
mod arrivals;
mod balance;
mod clock;
mod lanes;
mod loader;
mod memory;
mod spare;
mod task;

pub(crate) use accept::{Bound, Door, Terms, serve};
pub(crate) use arrivals::Arrivals;
pub(crate) use clock::{Clock, run_ticks};
pub(crate) use lanes::Lanes;
pub(crate) use loader::run_loads;
pub(crate) use memory::available as available_memory;
