//! The store against a model of what it has to remember.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod checkpoint;
mod format;
mod inspect;
mod model;
mod power;
mod recovery;
