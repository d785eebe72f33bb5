//! What is written is read back, and what is wrong is told by its line.

use std::time::Duration;

use mqtt_codec::{PayloadFormat, QoS};
use mqtt_record::{LineTooLong, ReadProblem, Reader, Record, RecordProperties, Writer};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

const HEAD: &str = "{\"format\":\"mqtt-record\",\"version\":1}\n";

fn written(records: &[Record]) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), Duration::from_secs(1)).unwrap();
    for record in records {
        writer.write(record).unwrap();
    }
    writer.flush().unwrap();
    writer.into_inner()
}

fn record() -> impl Strategy<Value = Record> {
    let properties = (
        option::of(prop_oneof![
            Just(PayloadFormat::Bytes),
            Just(PayloadFormat::Utf8)
        ]),
        option::of(any::<u32>()),
        option::of(".{0,8}"),
        option::of("[a-z/]{1,8}"),
        option::of(vec(any::<u8>(), 0..8)),
        vec((".{0,4}", ".{0,4}"), 0..3),
        vec(1_u32..268_435_456, 0..3),
    );
    let properties = properties.prop_map(
        |(format, expiry, content_type, response_topic, correlation_data, user, ids)| {
            RecordProperties {
                payload_format: format,
                message_expiry_s: expiry,
                content_type,
                response_topic,
                correlation_data,
                user_properties: user,
                subscription_identifiers: ids,
            }
        },
    );
    let qos = prop_oneof![
        Just(QoS::AtMostOnce),
        Just(QoS::AtLeastOnce),
        Just(QoS::ExactlyOnce)
    ];
    let payload = prop_oneof![
        vec(any::<u8>(), 0..20),
        ".{0,20}".prop_map(String::into_bytes)
    ];
    (
        any::<u64>(),
        "[^#+\0]{1,12}",
        payload,
        qos,
        any::<bool>(),
        properties,
    )
        .prop_map(
            |(at_us, topic_name, payload, qos, retain, properties)| Record {
                at: Duration::from_micros(at_us),
                topic_name,
                payload,
                qos,
                retain,
                properties,
            },
        )
}

proptest! {
    #[test]
    fn what_was_written_is_read_back(records in vec(record(), 0..8)) {
        let file = written(&records);
        let reader = Reader::begin(file.as_slice()).unwrap();
        prop_assert_eq!(reader.started(), Duration::from_secs(1));
        let read: Vec<Record> = reader.map(Result::unwrap).collect();
        prop_assert_eq!(read, records);
    }
}

#[test]
fn usual_things_are_not_written() {
    let record = Record {
        at: Duration::from_millis(1),
        topic_name: "a/b".to_owned(),
        payload: b"21.5".to_vec(),
        qos: QoS::AtMostOnce,
        retain: false,
        properties: RecordProperties::default(),
    };
    let file = String::from_utf8(written(&[record])).unwrap();
    let expected = "{\"format\":\"mqtt-record\",\"version\":1,\"started_us\":1000000}\n\
                    {\"at_us\":1000,\"topic\":\"a/b\",\"payload\":\"21.5\"}\n";
    assert_eq!(file, expected);
}

/// The error that a file ends with.
fn error(text: &str) -> String {
    match Reader::begin(text.as_bytes()) {
        Err(error) => error.to_string(),
        Ok(reader) => reader.last().unwrap().unwrap_err().to_string(),
    }
}

#[test]
fn mistakes_are_told_by_their_line() {
    let after_one = |line: &str| {
        let text = format!("{HEAD}{{\"at_us\":0,\"topic\":\"a\"}}\n\n{line}\n");
        error(&text)
    };
    for (line, part) in [
        ("{", "line 4: EOF while parsing"),
        (
            "{\"at_us\":0,\"tpoic\":\"a\"}",
            "line 4: unknown field `tpoic`",
        ),
        ("{\"topic\":\"a\"}", "line 4: missing field `at_us`"),
        ("{\"at_us\":0,\"topic\":\"a/#\"}", "line 4: topic: "),
        ("{\"at_us\":0,\"topic\":\"\"}", "line 4: topic: "),
        (
            "{\"at_us\":0,\"topic\":\"a\",\"response_topic\":\"+\"}",
            "line 4: response_topic: ",
        ),
        (
            "{\"at_us\":0,\"topic\":\"a\",\"qos\":3}",
            "line 4: QoS 3 does not exist",
        ),
        (
            "{\"at_us\":0,\"topic\":\"a\",\"payload_format\":2}",
            "line 4: payload_format 2",
        ),
        (
            "{\"at_us\":0,\"topic\":\"a\",\"payload\":\"\",\"payload_base64\":\"\"}",
            "line 4: both",
        ),
        (
            "{\"at_us\":0,\"topic\":\"a\",\"payload_base64\":\"?\"}",
            "line 4: payload_base64 is no",
        ),
        ("{\"at_us\":-1,\"topic\":\"a\"}", "line 4: invalid value"),
    ] {
        let error = after_one(line);
        assert!(error.starts_with(part), "{line}: {error}");
    }
    for text in ["", "\n", "{}", "[]", "{\"format\":\"other\",\"version\":1}"] {
        assert_eq!(
            error(text),
            "line 1: this is no recording: the first line is not its head"
        );
    }
    let newer = "{\"format\":\"mqtt-record\",\"version\":2}";
    assert_eq!(error(newer), "line 1: format version 2, this is for 1");
}

#[test]
fn a_line_has_a_bound_and_what_follows_an_error_is_not_read() {
    let line = "{\"at_us\":0,\"topic\":\"a\"}";
    let text = format!("{HEAD}{line}\n");
    let bound = HEAD.len();
    let fits = Reader::with_line_len_max(text.as_bytes(), bound).unwrap();
    assert_eq!(fits.count(), 1);
    let text = format!("{HEAD}{line}{}\n{line}\n", " ".repeat(bound));
    let mut reader = Reader::with_line_len_max(text.as_bytes(), bound).unwrap();
    let error = reader.next().unwrap().unwrap_err();
    assert_eq!(error.line, 2);
    assert!(matches!(error.problem, ReadProblem::TooLong { max } if max == bound));
    assert!(reader.next().is_none());
}

#[test]
fn the_last_line_needs_no_end() {
    let text = format!("{HEAD}{{\"at_us\":5,\"topic\":\"a\"}}");
    let records: Vec<_> = Reader::begin(text.as_bytes()).unwrap().collect();
    assert_eq!(records.len(), 1);
}

/// A control character is six in JSON.
#[test]
fn what_nobody_could_read_is_not_written() {
    let record = |len: usize| Record {
        at: Duration::ZERO,
        topic_name: "a".to_owned(),
        payload: vec![1; len],
        qos: QoS::AtMostOnce,
        retain: false,
        properties: RecordProperties::default(),
    };
    let mut writer = Writer::begin(Vec::new(), Duration::ZERO).unwrap();
    let error = writer.write(&record(12 << 20)).unwrap_err();
    assert!(
        error
            .get_ref()
            .is_some_and(|inner| inner.is::<LineTooLong>())
    );
    writer.write(&record(3)).unwrap();
    let file = writer.into_inner();
    let read: Vec<_> = Reader::begin(file.as_slice()).unwrap().collect();
    assert_eq!(read.len(), 1);
    assert_eq!(read.first().unwrap().as_ref().unwrap(), &record(3));
}
