//! Rules from the outside: what each form of them says, and what their parsers make of anything.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod matrix;
mod replay;
