//! Certificates to develop with, in files.
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

mod authority;
mod error;
mod files;
mod maker;
mod read;

pub use error::CertsError;
pub use files::Pair;
pub use maker::{CertificateMaker, Issued, Made};
pub use read::CertificateFile;
