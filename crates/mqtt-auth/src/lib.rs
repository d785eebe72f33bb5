//! Enhanced authentication of MQTT 5, for both ends.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod client_auth;
mod error;
mod scram;

pub use client_auth::ClientAuth;
pub use error::AuthError;
pub use scram::{
    ITERATIONS, ITERATIONS_MAX, ITERATIONS_MIN, ScramExchange, ScramSha256Client,
    ScramSha256Server, StoredScram,
};
