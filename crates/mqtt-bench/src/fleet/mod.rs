//! Many clients of one kind in one process: what `mqtt bench` runs.
//!
//! [`run_fleet`] connects a [`Fleet`], has it publish and receive, and returns a [`FleetReport`]. Each thread waits for
//! the events of all its clients, puts down messages when they are due, and writes what a client has in one call.

mod client;
mod clock;
mod crew;
mod director;
mod header;
mod pace;
mod packets;
mod preflight;
mod prometheus;
mod publisher;
mod reach;
mod receiver;
mod report;
mod scenario_file;
mod settings;
mod shared;
mod tally;
mod template;
mod tls;
mod track;
mod worker;

pub use director::{FleetError, Progress, Stop, run_fleet};
pub use preflight::Shortage;
pub use prometheus::MetricsServer;
pub use report::{FleetReport, TimesReport, Verdict};
pub use scenario_file::{ScenarioFile, ScenarioFileError, Step};
pub use settings::{
    Arrival, CLIENTS_MAX, Fleet, HeaderFields, HeaderForm, Identity, Over, PAYLOAD_MAX, Pace,
    Payload, Protocol, Publishing, Subscribing, THREADS_MAX, TlsFiles, Topic,
};
pub use tally::{Counts, Times};
