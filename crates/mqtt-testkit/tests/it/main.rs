//! What belongs to no single crate: the examples of the main README.
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "the README's examples print")]

mod readme;
