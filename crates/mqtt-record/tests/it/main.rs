//! Recordings written, read and published again.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod file;
mod fuzzed;
mod replaying;
