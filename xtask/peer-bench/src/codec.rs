//! What every codec is measured by.

use crate::cases::Case;
use crate::seen::Seen;

/// One codec in one version of the protocol.
///
/// Everything that happens before a codec is asked to work is in functions of its own, so that it
/// can be left out of the time.
pub trait Codec {
    /// Its name in the results.
    const NAME: &'static str;

    /// The read buffer its decoder wants.
    type Input;
    /// What its decoder returns, success or not.
    type Decoded<'i>;

    /// Fills a read buffer. Not timed.
    fn input(bytes: &[u8], old: Option<Self::Input>) -> Self::Input;
    /// Takes the next packet from the buffer. Timed.
    fn decode(input: &mut Self::Input) -> Self::Decoded<'_>;
    /// What it found in the packet, which must be one. Not timed.
    fn seen(decoded: &Self::Decoded<'_>) -> Seen;

    /// A packet that can be sent again and again.
    type Source<'b>;
    /// What its encoder wants.
    type Outgoing<'s>;
    /// The write buffer its encoder wants, reused.
    type Output;

    /// The packets of `case` in its own types. Not timed.
    fn sources(case: &Case) -> Vec<Self::Source<'_>>;
    /// Not timed.
    fn outgoing<'s>(source: &'s Self::Source<'_>) -> Self::Outgoing<'s>;
    /// Makes room for `capacity` bytes. Not timed.
    fn output(capacity: usize) -> Self::Output;
    /// Writes behind what is in `output` already. Timed.
    fn encode(packet: Self::Outgoing<'_>, output: &mut Self::Output);
    /// What has been written.
    fn written(output: &Self::Output) -> &[u8];
    /// Forgets what has been written and keeps the memory. Not timed.
    fn clear(output: &mut Self::Output);
}

/// A write buffer for codecs that write into a slice.
pub struct Slice {
    /// All of the buffer.
    pub bytes: Vec<u8>,
    /// How much of it has been written.
    pub len: usize,
}

impl Slice {
    /// An empty buffer with room for `capacity` bytes.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            bytes: vec![0; capacity],
            len: 0,
        }
    }

    /// The part that is free.
    pub fn free(&mut self) -> &mut [u8] {
        &mut self.bytes[self.len..]
    }

    /// The part that is written.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
