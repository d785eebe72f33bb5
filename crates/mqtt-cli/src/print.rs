//! How `mqtt sub` prints a message.

use std::io::{self, Write};

/// What is printed beside the payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    /// The topic and a space before the payload.
    pub(crate) topic: bool,
    /// A newline after it.
    pub(crate) newline: bool,
}

impl Format {
    /// Prints one message; does not flush.
    pub(crate) fn print(
        self,
        out: &mut impl Write,
        topic_name: &str,
        payload: &[u8],
    ) -> io::Result<()> {
        if self.topic {
            write!(out, "{topic_name} ")?;
        }
        // Scripts know mosquitto's word for a payload that is not there.
        let payload = if self.topic && payload.is_empty() {
            b"(null)"
        } else {
            payload
        };
        out.write_all(payload)?;
        if self.newline {
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_printed_byte_by_byte() {
        let print = |topic, newline, payload| {
            let mut out = Vec::new();
            Format { topic, newline }
                .print(&mut out, "a/b", payload)
                .unwrap();
            out
        };
        assert_eq!(print(false, true, b"x\xFF\0"), b"x\xFF\0\n");
        assert_eq!(print(true, true, b"x"), b"a/b x\n");
        assert_eq!(print(false, false, b"x"), b"x");
        assert_eq!(print(true, true, b""), b"a/b (null)\n");
        assert_eq!(print(false, true, b""), b"\n");
    }
}
