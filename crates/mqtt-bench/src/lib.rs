//! Load generators for MQTT brokers: raw frames, many clients per thread, no allocation per message.
//!
//! [`run`] drives one [`Scenario`] against a broker on the loopback interface and returns a
//! [`Measurement`]: deliveries per second, CPU time of the broker per delivered message, latency,
//! memory. [`Relay`] is the floor to compare with: it copies bytes and knows almost no MQTT.
//! [`run_fleet`] loads any broker with many thousand clients of one [`Fleet`]: what `mqtt bench` runs.
#![forbid(unsafe_code)]

mod arrival;
mod catalogue;
mod connection;
mod disk;
mod drain;
mod error;
mod fleet;
mod frame;
mod handshake;
mod histogram;
mod incoming;
mod link;
mod load;
mod measurement;
mod process;
mod publisher;
mod relay;
mod run;
mod scenario;
mod sessions;
mod stored;
mod subscriber;
mod topics;
mod websocket;
mod window;

pub use catalogue::{Allowed, Growth, find, growths, scenarios};
pub use error::BenchError;
pub use fleet::{
    Arrival, CLIENTS_MAX, Counts, Fleet, FleetError, FleetReport, HeaderFields, HeaderForm,
    Identity, MetricsServer, Over, PAYLOAD_MAX, Pace, Payload, Progress, Protocol, Publishing,
    ScenarioFile, ScenarioFileError, Shortage, Step, Stop, Subscribing, THREADS_MAX, Times,
    TimesReport, TlsFiles, Topic, Verdict, run_fleet,
};
pub use histogram::Histogram;
pub use link::Transport;
pub use measurement::{Figure, Measurement, Unit};
pub use process::{ProcessUsage, raise_open_files_limit};
pub use relay::Relay;
pub use run::{Phases, Target, run};
pub use scenario::{LoopKind, QoS, Scenario, Topics, Version};
