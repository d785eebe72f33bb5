//! Recordings written, read and published again.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod file;
mod fuzzed;
mod replaying;
