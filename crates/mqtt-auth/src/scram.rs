//! SCRAM-SHA-256: RFC 5802 and RFC 7677, without channel binding.

mod client;
mod grammar;
mod prepare;
mod server;
mod stored;

pub use client::ScramSha256Client;
pub use server::{ScramExchange, ScramSha256Server};
pub use stored::StoredScram;

/// The Authentication Method, and the name of the SASL mechanism.
const METHOD: &str = "SCRAM-SHA-256";

/// Bytes of a SHA-256 digest.
const DIGEST_LEN: usize = 32;

/// Rounds of PBKDF2 for a new password.
pub const ITERATIONS: u32 = 15_000;

/// The fewest rounds a client accepts; RFC 7677 §4.
pub const ITERATIONS_MIN: u32 = 4_096;

/// The most rounds a client accepts.
pub const ITERATIONS_MAX: u32 = 1_000_000;
