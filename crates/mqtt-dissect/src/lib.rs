//! MQTT packets taken apart for people.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod citation;
mod dissection;
mod dissector;
mod field;
mod json;
mod packet;
mod properties;
mod reason;
mod summary;
mod text;
mod walk;

pub use citation::Citation;
pub use dissection::Dissection;
pub use dissector::{Dissector, Settings};
pub use field::{Field, Value};
pub use text::Style;
