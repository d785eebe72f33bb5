//! Tests of what is read from other brokers, with the real reader of the configuration and the real store.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod conversion;
mod db;
mod db_file;
mod emqx;
mod refusals;
mod replay;
