//! Tests of sessions as their owners see them: two ends against each other, and faults that others have had.
#![expect(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod pair;
mod regress;
