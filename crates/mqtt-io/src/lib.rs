//! Replaced by the first real code.
