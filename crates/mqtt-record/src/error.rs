//! What is wrong with a file.

use std::fmt;
use std::io;

use mqtt_codec::TopicError;

/// A line that is no record, and why.
#[derive(Debug)]
pub struct ReadError {
    /// Which line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: ReadProblem,
}

/// What is wrong with a line.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadProblem {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// The first line is not that of a recording.
    #[error("this is no recording: the first line is not its head")]
    NoHead,
    /// The file is of a later version of the format.
    #[error("format version {version}, this is for 1")]
    Version {
        /// Which.
        version: u64,
    },
    /// It is longer than any may be.
    #[error("longer than {max} bytes")]
    TooLong {
        /// Unit: bytes.
        max: usize,
    },
    /// It is no JSON object with the keys there are.
    #[error("{0}")]
    Json(serde_json::Error),
    /// There are two payloads.
    #[error("both payload and payload_base64")]
    TwoPayloads,
    /// What should be Base64 is not.
    #[error("{key} is no Base64")]
    Base64 {
        /// In which key.
        key: &'static str,
    },
    /// There is no such QoS.
    #[error("QoS {qos} does not exist")]
    QoS {
        /// Which.
        qos: u8,
    },
    /// There is no such Payload Format Indicator.
    #[error("payload_format {format} does not exist")]
    PayloadFormat {
        /// Which.
        format: u8,
    },
    /// It cannot be published to this topic, or answered on it.
    #[error("{key}: {error}")]
    Topic {
        /// In which key.
        key: &'static str,
        /// Why.
        error: TopicError,
    },
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.problem)
    }
}
