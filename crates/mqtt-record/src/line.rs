//! A record as a line of JSON.

use std::time::Duration;

use data_encoding::BASE64;
use mqtt_codec::{PayloadFormat, QoS, TopicName};
use serde::{Deserialize, Serialize};

use crate::{ReadProblem, Record, RecordProperties};

/// What the first line says the file is.
pub(crate) const FORMAT: &str = "mqtt-record";

/// The version of the format.
pub(crate) const VERSION: u64 = 1;

/// The first line.
#[derive(Deserialize, Serialize)]
pub(crate) struct Head {
    pub(crate) format: String,
    pub(crate) version: u64,
    /// The time since the start of 1970. Unit: microseconds.
    #[serde(default)]
    pub(crate) started_us: u64,
}

/// Any other line. Keys that would say what is usual are left out.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    at_us: u64,
    topic: String,
    /// A payload that is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    /// Any other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    qos: u8,
    #[serde(default, skip_serializing_if = "is_false")]
    retain: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_format: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_expiry_s: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_data_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    user_properties: Vec<(String, String)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    subscription_identifiers: Vec<u32>,
}

impl Line {
    pub(crate) fn of(record: &Record) -> Self {
        let properties = &record.properties;
        let text = str::from_utf8(&record.payload).ok();
        let is_empty = record.payload.is_empty();
        let correlation_data = properties.correlation_data.as_ref();
        Self {
            at_us: u64::try_from(record.at.as_micros()).unwrap_or(u64::MAX),
            topic: record.topic_name.clone(),
            payload: text.filter(|_| !is_empty).map(str::to_owned),
            payload_base64: match text {
                Some(_) => None,
                None => Some(BASE64.encode(&record.payload)),
            },
            qos: record.qos.get(),
            retain: record.retain,
            payload_format: properties
                .payload_format
                .map(|format| u8::from(format == PayloadFormat::Utf8)),
            message_expiry_s: properties.message_expiry_s,
            content_type: properties.content_type.clone(),
            response_topic: properties.response_topic.clone(),
            correlation_data_base64: correlation_data.map(|bytes| BASE64.encode(bytes)),
            user_properties: properties.user_properties.clone(),
            subscription_identifiers: properties.subscription_identifiers.clone(),
        }
    }

    pub(crate) fn into_record(self) -> Result<Record, ReadProblem> {
        check_topic("topic", &self.topic)?;
        if let Some(response_topic) = &self.response_topic {
            check_topic("response_topic", response_topic)?;
        }
        let payload = match (self.payload, self.payload_base64) {
            (Some(_), Some(_)) => return Err(ReadProblem::TwoPayloads),
            (Some(text), None) => text.into_bytes(),
            (None, Some(base64)) => bytes("payload_base64", &base64)?,
            (None, None) => Vec::new(),
        };
        let correlation_data = self.correlation_data_base64;
        let correlation_data =
            correlation_data.map(|base64| bytes("correlation_data_base64", &base64));
        Ok(Record {
            at: Duration::from_micros(self.at_us),
            topic_name: self.topic,
            payload,
            qos: QoS::from_u8(self.qos).ok_or(ReadProblem::QoS { qos: self.qos })?,
            retain: self.retain,
            properties: RecordProperties {
                payload_format: self.payload_format.map(payload_format).transpose()?,
                message_expiry_s: self.message_expiry_s,
                content_type: self.content_type,
                response_topic: self.response_topic,
                correlation_data: correlation_data.transpose()?,
                user_properties: self.user_properties,
                subscription_identifiers: self.subscription_identifiers,
            },
        })
    }
}

fn check_topic(key: &'static str, topic_name: &str) -> Result<(), ReadProblem> {
    match TopicName::try_new(topic_name) {
        Ok(_) => Ok(()),
        Err(error) => Err(ReadProblem::Topic { key, error }),
    }
}

fn bytes(key: &'static str, base64: &str) -> Result<Vec<u8>, ReadProblem> {
    let decoded = BASE64.decode(base64.as_bytes());
    decoded.map_err(|_| ReadProblem::Base64 { key })
}

const fn payload_format(format: u8) -> Result<PayloadFormat, ReadProblem> {
    match format {
        0 => Ok(PayloadFormat::Bytes),
        1 => Ok(PayloadFormat::Utf8),
        format => Err(ReadProblem::PayloadFormat { format }),
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_zero(number: &u8) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}
