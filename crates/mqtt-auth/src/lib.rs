//! Enhanced authentication of MQTT 5, for both ends.
#![forbid(unsafe_code)]
#![cfg_attr(feature = "scram", doc = include_str!("../README.md"))]

mod client_auth;
mod error;
#[cfg(feature = "scram")]
mod scram;

pub use client_auth::ClientAuth;
pub use error::AuthError;
#[cfg(feature = "scram")]
pub use scram::{
    ITERATIONS, ITERATIONS_MAX, ITERATIONS_MIN, ScramExchange, ScramSha256Client,
    ScramSha256Server, StoredScram,
};
