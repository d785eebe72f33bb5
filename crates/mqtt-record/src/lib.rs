//! MQTT messages with their times in a file, and publishing them again.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod error;
mod line;
mod read;
mod record;
#[cfg(feature = "replay")]
mod replay;
mod write;

pub use error::{ReadError, ReadProblem};
pub use read::{LINE_LEN_MAX, Reader};
pub use record::{Record, RecordProperties};
#[cfg(feature = "replay")]
pub use replay::{Refusal, Replay, ReplayError, Replayed, Speed, Topics};
pub use write::{LineTooLong, Writer};
