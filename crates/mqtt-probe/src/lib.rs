//! What a broker keeps and what it can do, found out from outside.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod clear;
mod marker;
mod retained;

pub use clear::{Cleared, NotCleared, clear};
pub use retained::{End, Retained, RetainedError, RetainedSettings, stored_qos};
