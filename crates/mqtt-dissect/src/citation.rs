//! Where the standard speaks of a field.

use std::fmt;

use mqtt_codec::ProtocolVersion;

/// A section of one of the two standards.
///
/// For MQTT 3.1, which is no standard of OASIS, it is the section of 3.1.1 on the same field.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Citation {
    /// `"v5"` or `"v3.1.1"`.
    pub standard: &'static str,
    /// Its number, such as `"3.3.1.2"`.
    pub section: &'static str,
}

impl fmt::Display for Citation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} §{}", self.standard, self.section)
    }
}

/// The word for the standard that `version` is read by.
pub(crate) const fn standard(version: ProtocolVersion) -> &'static str {
    if version.has_properties() {
        "v5"
    } else {
        "v3.1.1"
    }
}

/// One field in both standards; an empty number where a standard does not have it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sections {
    v5: &'static str,
    v311: &'static str,
}

impl Sections {
    /// The same number in both.
    pub(crate) const fn same(number: &'static str) -> Self {
        Self::new(number, number)
    }

    pub(crate) const fn new(v5: &'static str, v311: &'static str) -> Self {
        Self { v5, v311 }
    }

    /// The section for a packet of `version`.
    pub(crate) const fn cite(self, version: ProtocolVersion) -> Option<Citation> {
        let section = if version.has_properties() {
            self.v5
        } else {
            self.v311
        };
        if section.is_empty() {
            return None;
        }
        Some(Citation {
            standard: standard(version),
            section,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_section_is_that_of_the_version() {
        let sections = Sections::new("2.1.4", "2.2.3");
        let cite = |version| sections.cite(version).map(|cited| cited.to_string());
        assert_eq!(cite(ProtocolVersion::V5).as_deref(), Some("v5 §2.1.4"));
        assert_eq!(cite(ProtocolVersion::V31).as_deref(), Some("v3.1.1 §2.2.3"));
        let only_v5 = Sections::new("3.15.2.1", "");
        assert_eq!(only_v5.cite(ProtocolVersion::V311), None);
    }
}
