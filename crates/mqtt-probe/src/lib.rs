//! What a broker keeps and what it can do, found out from outside.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod abilities;
mod clear;
mod marker;
mod messages;
mod retained;

pub use abilities::{Ability, AbilitySettings, Verdict, abilities};
pub use clear::{Cleared, NotCleared, clear};
pub use retained::{End, Retained, RetainedError, RetainedSettings, stored_qos};
