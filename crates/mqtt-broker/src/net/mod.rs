//! Sockets and tasks: listeners, one task per connection, one clock.

mod accept;
mod arrivals;
mod balance;
mod certificates;
mod clock;
mod entrance;
mod handshakes;
mod lanes;
mod listen;
mod listeners;
mod loader;
mod memory;
mod quic;
mod served;
mod spare;
mod task;

pub(crate) use accept::{Bounds, Door};
pub(crate) use arrivals::Arrivals;
pub(crate) use certificates::watch as watch_certificates;
pub use certificates::{CertificateError, CertificateState};
pub(crate) use clock::{Clock, run_ticks};
pub(crate) use entrance::Entrance;
pub use entrance::ListenerState;
pub(crate) use lanes::Lanes;
pub(crate) use listen::listen;
pub(crate) use listeners::Listeners;
pub(crate) use loader::run_loads;
pub(crate) use memory::available as available_memory;
