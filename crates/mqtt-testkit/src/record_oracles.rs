//! What must hold for any bytes that are read as a recording: a function takes input of no particular form, and a test
//! or a fuzz target calls it and nothing else.

use mqtt_record::{Reader, Record, Writer};

/// The longest line of an input. Unit: bytes.
const LINE_LEN_MAX: usize = 1 << 16;

/// What is read of a recording is written and read back the same; after an error nothing comes.
///
/// # Panics
/// When it does not hold.
pub fn recording(input: &[u8]) {
    let Ok(mut reader) = Reader::with_line_len_max(input, LINE_LEN_MAX) else {
        return;
    };
    let started = reader.started();
    let mut records: Vec<Record> = Vec::new();
    for record in reader.by_ref() {
        match record {
            Ok(record) => records.push(record),
            Err(error) => assert!(error.line >= 2, "the head was read"),
        }
    }
    assert!(reader.next().is_none(), "nothing comes after the end");
    let mut file = Vec::new();
    let written = Writer::begin(&mut file, started).and_then(|mut writer| {
        let mut all = records.iter();
        all.try_for_each(|record| writer.write(record))
    });
    assert!(written.is_ok(), "memory takes everything");
    let again = Reader::begin(file.as_slice()).and_then(|again| {
        assert_eq!(again.started(), started, "the head says when");
        again.collect::<Result<Vec<Record>, _>>()
    });
    assert_eq!(again.ok(), Some(records), "what was written is read back");
}
