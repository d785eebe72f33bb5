//! Generators, oracles and other means of testing that several crates of this workspace share.

#[cfg(feature = "access")]
pub mod access_oracles;
#[cfg(feature = "avro")]
pub mod avro_oracles;
#[cfg(feature = "dissect")]
pub mod dissect_oracles;
pub mod exchange;
#[cfg(feature = "import")]
pub mod import_oracles;
#[cfg(feature = "io")]
pub mod io_oracles;
pub mod oracles;
pub mod packets;
pub mod pair;
#[cfg(feature = "payload")]
pub mod payload_oracles;
pub mod raw;
#[cfg(feature = "record")]
pub mod record_oracles;
pub mod reference;
pub mod replay;
#[cfg(feature = "rules")]
pub mod rules_oracles;
pub mod seeds;
pub mod soak;
