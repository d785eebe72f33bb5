//! Fleets of devices that are not there.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod device;
mod duration;
mod error;
mod field;
mod fleet;
mod generator;
mod run;
mod scenario;
mod shipped;

pub use error::ScenarioError;
pub use field::{Field, Gps};
pub use fleet::{Fleet, Said, Step, What};
pub use run::{Options, Totals, run};
pub use scenario::{Devices, Message, Offline, Scenario, Will};
pub use shipped::{Shipped, shipped};
