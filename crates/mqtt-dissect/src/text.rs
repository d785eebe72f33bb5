//! Packets as text: one line each, or a tree of all fields beside their bytes.

use std::fmt::{self, Write};

use crate::summary::summary;
use crate::{Dissection, Field, Value};

/// How many bytes stand beside a field before the others are left out.
const HEX_LEN_MAX: usize = 8;

/// How much of a text is shown. Unit: characters.
const TEXT_LEN_MAX: usize = 200;

/// How many bytes of what is no text are shown.
const BYTES_LEN_MAX: usize = 64;

/// Whether to colour, which the caller knows: it knows where the text goes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Style {
    /// Letters only.
    #[default]
    Plain,
    /// With the escape sequences of ANSI terminals.
    Coloured,
}

/// What a part of a line is, for its colour.
#[derive(Clone, Copy)]
pub(crate) enum Part {
    Packet,
    Offset,
    Name,
    Citation,
    Fault,
}

impl Style {
    /// `text` in the colour of what stands beside packets, such as times.
    #[must_use]
    pub fn aside(self, text: &str) -> String {
        self.paint(Part::Offset, text)
    }

    /// `text` in the colour of `part`.
    pub(crate) fn paint(self, part: Part, text: &str) -> String {
        let code = match part {
            Part::Packet => "1",
            Part::Offset => "2",
            Part::Name => "36",
            Part::Citation => "2",
            Part::Fault => "1;31",
        };
        match self {
            Self::Coloured if !text.is_empty() => format!("\x1B[{code}m{text}\x1B[0m"),
            _ => text.to_owned(),
        }
    }
}

impl Dissection {
    /// One line: the packet, what is most worth knowing in it, and what is wrong.
    #[must_use]
    pub fn to_line(&self, style: Style) -> String {
        let mut line = style.paint(Part::Packet, self.name());
        let text = summary(self);
        if !text.is_empty() {
            line.push(' ');
            line.push_str(&text);
        }
        if let Some(fault) = self.fault_text() {
            line.push_str("; ");
            line.push_str(&style.paint(Part::Fault, &fault));
        }
        line
    }

    /// A line for the packet and one for each field, with its offset in hexadecimal, its bytes or
    /// bits, and the section of the standard; the fault stands below the field it is in.
    #[must_use]
    pub fn to_tree(&self, style: Style) -> String {
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = self.write_tree(style, &mut out);
        out
    }

    /// The name of the packet in the standard.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.packet_type
            .map_or("reserved packet type", |packet_type| packet_type.name())
    }

    /// What is wrong, the statement it breaks and the Reason Code for it, on one line.
    #[must_use]
    pub fn fault_text(&self) -> Option<String> {
        let Some(fault) = self.fault else {
            let missing = self.len.saturating_sub(self.bytes.len());
            return match missing {
                _ if self.complete => None,
                0 => Some("the fixed header is not there as a whole".to_owned()),
                missing => Some(format!("{missing} of {} bytes are missing", self.len)),
            };
        };
        let mut text = format!("{} at byte {}", fault.kind, fault.at);
        let statement = self
            .statement()
            .or_else(|| self.fault_citation().map(|citation| citation.to_string()));
        if let Some(statement) = statement {
            let _ = write!(text, ", {statement}");
        }
        let _ = write!(text, ", reason {}", fault.reason_code());
        Some(text)
    }

    fn write_tree(&self, style: Style, out: &mut String) -> fmt::Result {
        let name = style.paint(Part::Packet, self.name());
        let version = version_name(self);
        writeln!(out, "{name}, MQTT {version}, {} bytes", self.len)?;
        let mut lines = Vec::new();
        for field in &self.fields {
            self.lines(field, 0, style, &mut lines);
        }
        let fault = self.fault_text();
        let fault_at = self.fault.map_or(self.bytes.len(), |fault| {
            usize::try_from(fault.at).unwrap_or(usize::MAX)
        });
        let shown_at = self.fault_at().unwrap_or(fault_at);
        let behind = lines.iter().rposition(|(at, _)| *at <= shown_at);
        let fault_line = |fault: &String| {
            let marked = format!("{fault_at:04x}  ^ {fault}");
            style.paint(Part::Fault, &marked)
        };
        if let (Some(fault), None) = (&fault, behind) {
            writeln!(out, "{}", fault_line(fault))?;
        }
        for (index, (_, line)) in lines.iter().enumerate() {
            writeln!(out, "{line}")?;
            if let Some(fault) = fault.as_ref().filter(|_| behind == Some(index)) {
                writeln!(out, "{}", fault_line(fault))?;
            }
        }
        Ok(())
    }

    /// The lines of a field and of those in it, each with its offset.
    fn lines(&self, field: &Field, depth: usize, style: Style, lines: &mut Vec<(usize, String)>) {
        let offset = match field.mask {
            Some(_) => "    ".to_owned(),
            None => style.paint(Part::Offset, &format!("{:04x}", field.at)),
        };
        let bytes = match field.mask {
            Some(mask) => self.bits(field, mask),
            None => self.hex(field),
        };
        let name = style.paint(Part::Name, field.name);
        let mut line = format!(
            "{offset}  {bytes:<26} {:indent$}{name}",
            "",
            indent = 2 * depth
        );
        let value = self.value_text(field);
        if !value.is_empty() {
            line.push_str(": ");
            line.push_str(&value);
        }
        if let Some(meaning) = &field.meaning {
            line.push_str(match field.value {
                Value::Group => ": ",
                _ if is_unit(meaning) => " ",
                _ => ", ",
            });
            match (&field.value, &**meaning) {
                (Value::Number(1), "seconds") => line.push_str("second"),
                (Value::Number(1), "bytes") => line.push_str("byte"),
                _ => line.push_str(meaning),
            }
        }
        if let Some(citation) = field.citation {
            line.push_str("  ");
            line.push_str(&style.paint(Part::Citation, &citation.to_string()));
        }
        lines.push((field.at, line));
        for inner in &field.fields {
            self.lines(inner, depth + 1, style, lines);
        }
    }

    fn hex(&self, field: &Field) -> String {
        let bytes = self.slice(&(field.at..field.at.saturating_add(field.len)));
        let mut text = String::new();
        for byte in bytes.iter().take(HEX_LEN_MAX) {
            let _ = write!(text, "{byte:02x} ");
        }
        match bytes.len() > HEX_LEN_MAX {
            true => text.push_str(".."),
            false => text.truncate(text.trim_end().len()),
        }
        text
    }

    /// The bits of `mask`, and a dot for each of the others.
    fn bits(&self, field: &Field, mask: u8) -> String {
        let byte = self.bytes.get(field.at).copied().unwrap_or(0);
        let mut text = String::new();
        for bit in (0..8).rev() {
            if bit == 3 {
                text.push(' ');
            }
            text.push(match (mask >> bit & 1, byte >> bit & 1) {
                (0, _) => '.',
                (_, 0) => '0',
                _ => '1',
            });
        }
        text
    }

    /// What a field says, on one line and without anything a terminal would obey.
    #[must_use]
    pub fn value_text(&self, field: &Field) -> String {
        match &field.value {
            Value::Group => String::new(),
            Value::Flag(false) => "0".to_owned(),
            Value::Flag(true) => "1".to_owned(),
            Value::Number(number) => number.to_string(),
            Value::Text(range) => quoted(&String::from_utf8_lossy(self.slice(range))),
            Value::Bytes(range) => bytes_text(self.slice(range)),
        }
    }
}

/// The number of a version, as people say it.
pub(crate) fn version_name(packet: &Dissection) -> &'static str {
    match packet.version.level() {
        3 => "3.1",
        4 => "3.1.1",
        _ => "5.0",
    }
}

fn is_unit(meaning: &str) -> bool {
    matches!(meaning, "seconds" | "bytes")
}

/// Bytes as text if they are that, else in hexadecimal.
pub(crate) fn bytes_text(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.chars().all(is_shown) => quoted(text),
        _ => {
            let mut text = match bytes.len() {
                1 => "1 byte,".to_owned(),
                len => format!("{len} bytes,"),
            };
            for byte in bytes.iter().take(BYTES_LEN_MAX) {
                let _ = write!(text, " {byte:02x}");
            }
            if bytes.len() > BYTES_LEN_MAX {
                text.push_str(" ..");
            }
            text
        }
    }
}

fn is_shown(character: char) -> bool {
    !character.is_control() || matches!(character, '\n' | '\r' | '\t')
}

/// Text in quotation marks, its control characters written as escapes.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for character in text.chars().take(TEXT_LEN_MAX) {
        if character.is_control() || matches!(character, '"' | '\\') || is_directional(character) {
            quoted.extend(character.escape_default());
        } else {
            quoted.push(character);
        }
    }
    let left = text.chars().count().saturating_sub(TEXT_LEN_MAX);
    quoted.push('"');
    if left > 0 {
        let _ = write!(quoted, " and {left} more characters");
    }
    quoted
}

/// Marks that change the order in which a terminal shows the text around them.
const fn is_directional(character: char) -> bool {
    matches!(character, '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
}
