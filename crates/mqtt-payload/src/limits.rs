//! How much of what one payload may become.

/// How much one payload may become when it is decoded or encoded.
///
/// A payload comes from anybody: a few bytes can stand for gigabytes, or for brackets without end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limits {
    /// The most that a step may write; 64 MiB when not set. Unit: bytes.
    pub output_len_max: usize,
    /// The most values within each other; 64 when not set, and at most 256.
    pub depth_max: usize,
    /// The most values of one payload; 1,000,000 when not set.
    pub values_max: usize,
}

/// Deeper than that the stack of a small thread might not hold.
const DEPTH_MAX: usize = 256;

impl Default for Limits {
    fn default() -> Self {
        Self {
            output_len_max: 64 * 1024 * 1024,
            depth_max: 64,
            values_max: 1_000_000,
        }
    }
}

/// What is left of the limits while one payload is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Budget {
    depth: usize,
    values: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            depth: limits.depth_max.min(DEPTH_MAX),
            values: limits.values_max,
        }
    }

    /// One more value.
    pub(crate) fn value(&mut self) -> Result<(), &'static str> {
        self.values = self.values.checked_sub(1).ok_or("too many values")?;
        Ok(())
    }

    /// Into a list, a map or a tag; [`Budget::leave`] follows unless that failed.
    pub(crate) fn enter(&mut self) -> Result<(), &'static str> {
        self.depth = self
            .depth
            .checked_sub(1)
            .ok_or("too many values within each other")?;
        Ok(())
    }

    pub(crate) fn leave(&mut self) {
        self.depth += 1;
    }
}
