//! Tests of the log as its users see it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod cuts;
mod damage;
mod format;
mod promises;
mod random;
mod real;
