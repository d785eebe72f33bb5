//! Payloads and topics made from a template.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod moment;
mod parse;
mod random;
mod render;

pub use error::{Problem, TemplateError};
pub use moment::Moment;
pub use random::Random;
pub use render::Template;
