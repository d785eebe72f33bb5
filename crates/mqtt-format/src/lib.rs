//! Messages printed by a format of the user's.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod field;
mod json;
mod parse;
mod time;
mod write;

pub use jiff::Zoned;
pub use parse::{Format, FormatError, unescape};
pub use write::{Message, NotPrintable};
