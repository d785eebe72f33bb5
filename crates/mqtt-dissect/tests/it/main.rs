//! Packets, conversations and captures, from outside.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod capture;
mod capture_file;
mod capture_writer;
mod conversation;
mod golden;
mod malformed;
mod packets;
mod replay;
