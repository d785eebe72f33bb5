//! Tests of the codec as its users see it: bytes in, packets out, and back.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod acks;
mod auth;
mod connack;
mod connect;
mod disconnect;
mod fan_out;
mod framing;
mod no_alloc;
mod owned_publish;
mod properties;
mod property_list;
mod publish;
mod regress;
mod replay;
mod round_trip;
mod strings;
mod suback;
mod subscribe;
mod support;
mod topics;
mod unsubscribe;
mod versions;
