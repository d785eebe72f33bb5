//! MQTT packets taken apart for people.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod capture;
mod citation;
mod conversation;
mod dissection;
mod dissector;
mod field;
mod flow;
mod input;
mod json;
mod note;
mod packet;
mod properties;
mod reason;
mod summary;
mod text;
mod walk;

pub use capture::{
    CaptureError, CaptureReport, CaptureSettings, CaptureWriter, Heard, Stream, What, is_capture,
    read_capture, utc_text,
};
pub use citation::Citation;
pub use conversation::{Conversation, Side, Spoken, Start};
pub use dissection::Dissection;
pub use dissector::{Dissector, Settings};
pub use field::{Field, Value};
pub use input::{InputError, InputFormat};
pub use note::Note;
pub use text::Style;
