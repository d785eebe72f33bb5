//! Packets as JSON, by serde.

use data_encoding::HEXLOWER;
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::text::version_name;
use crate::{Dissection, Field, Value};

impl Serialize for Dissection {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_entries(&mut map)?;
        map.end()
    }
}

impl Dissection {
    /// The entries of the object, for those who put others beside them.
    pub(crate) fn serialize_entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        map.serialize_entry("packet", self.name())?;
        map.serialize_entry("version", version_name(self))?;
        map.serialize_entry("offset", &self.offset)?;
        map.serialize_entry("len", &self.len)?;
        map.serialize_entry("valid", &self.is_right())?;
        map.serialize_entry("fields", &Fields(self, &self.fields))?;
        match &self.fault {
            Some(_) => map.serialize_entry("error", &Fault(self)),
            None if !self.complete => {
                map.serialize_entry("missing", &self.len.saturating_sub(self.bytes.len()))
            }
            None => Ok(()),
        }
    }
}

struct Fields<'a>(&'a Dissection, &'a [Field]);

impl Serialize for Fields<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.1.len()))?;
        for field in self.1 {
            list.serialize_element(&OneField(self.0, field))?;
        }
        list.end()
    }
}

struct OneField<'a>(&'a Dissection, &'a Field);

impl Serialize for OneField<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(packet, field) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", field.name)?;
        map.serialize_entry("at", &field.at)?;
        map.serialize_entry("len", &field.len)?;
        if let Some(mask) = field.mask {
            map.serialize_entry("mask", &mask)?;
        }
        match &field.value {
            Value::Group => {}
            Value::Flag(flag) => map.serialize_entry("value", flag)?,
            Value::Number(number) => map.serialize_entry("value", number)?,
            Value::Text(range) | Value::Bytes(range) => {
                let bytes = packet.slice(range);
                let is_text = matches!(field.value, Value::Text(_));
                match std::str::from_utf8(bytes) {
                    Ok(text) => map.serialize_entry("value", text)?,
                    Err(_) => map.serialize_entry("value", &None::<&str>)?,
                }
                // What is no text, or no text by its nature, is there byte by byte.
                if !is_text || std::str::from_utf8(bytes).is_err() {
                    map.serialize_entry("hex", &HEXLOWER.encode(bytes))?;
                }
            }
        }
        if let Some(meaning) = &field.meaning {
            map.serialize_entry("meaning", meaning)?;
        }
        if let Some(citation) = field.citation {
            map.serialize_entry("spec", &citation.to_string())?;
        }
        if !field.fields.is_empty() {
            map.serialize_entry("fields", &Fields(packet, &field.fields))?;
        }
        map.end()
    }
}

struct Fault<'a>(&'a Dissection);

impl Serialize for Fault<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let packet = self.0;
        let mut map = serializer.serialize_map(None)?;
        if let Some(fault) = packet.fault {
            map.serialize_entry("text", &fault.kind.to_string())?;
            map.serialize_entry("at", &fault.at)?;
            if let Some(statement) = packet.statement() {
                map.serialize_entry("statement", &statement)?;
            }
            if let Some(citation) = packet.fault_citation() {
                map.serialize_entry("spec", &citation.to_string())?;
            }
            map.serialize_entry("reason", &fault.reason_code().get())?;
        }
        map.end()
    }
}
