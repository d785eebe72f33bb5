//! Topics in a terminal: the state, what keys do to it, and its picture.
//!
#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod app;
mod diff;
mod draw;
mod form;
mod keys;
mod message;
mod rate;
mod redraws;
mod rows;
mod series;
mod tree;
mod view;

pub use app::{Action, App, Outgoing};
pub use message::Received;
pub use ratatui;
pub use tree::Limits;
