//! `Random`: what is random in a template.

/// Where random values come from; the same seed gives the same ones. Not for secrets.
#[derive(Clone, Debug)]
pub struct Random(fastrand::Rng);

impl Random {
    /// The values that belong to this seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// Others each time.
    #[must_use]
    pub fn new() -> Self {
        Self(fastrand::Rng::new())
    }

    /// A number from `low` to `high`, both included; `low` if they are the wrong way round.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        match low < high {
            true => self.0.i64(low..=high),
            false => low,
        }
    }

    /// A number below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        match end {
            0 => 0,
            end => self.0.usize(..end),
        }
    }

    /// 0 to 1, without 1.
    pub fn fraction(&mut self) -> f64 {
        self.0.f64()
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.u64(..)
    }

    /// So many letters of ASCII and digits.
    #[must_use]
    pub fn letters(&mut self, len: usize) -> Vec<u8> {
        (0..len).map(|_| self.alphanumeric()).collect()
    }

    /// A letter of ASCII or a digit.
    pub(crate) fn alphanumeric(&mut self) -> u8 {
        u8::try_from(self.0.alphanumeric()).unwrap_or(b'0')
    }

    /// Sixteen bytes.
    pub(crate) fn bytes(&mut self) -> [u8; 16] {
        self.0.u128(..).to_le_bytes()
    }
}

impl Default for Random {
    fn default() -> Self {
        Self::new()
    }
}
