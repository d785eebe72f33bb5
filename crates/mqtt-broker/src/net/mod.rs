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
mod loader;
mod memory;
mod quic;
mod served;
mod spare;
mod task;

pub(crate) use accept::{Bound, Bounds, Door, serve};
pub(crate) use arrivals::Arrivals;
pub(crate) use certificates::watch as watch_certificates;
pub use certificates::{CertificateError, CertificateState};
pub(crate) use clock::{Clock, run_ticks};
pub(crate) use entrance::{Entrance, reload as reload_listeners};
pub use entrance::{ListenerState, ListenersReload};
pub(crate) use handshakes::run_handshakes;
pub(crate) use lanes::Lanes;
pub(crate) use listen::listen;
pub(crate) use loader::run_loads;
pub(crate) use memory::available as available_memory;
