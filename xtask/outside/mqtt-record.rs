//! Begins a recording and reads its head.

use mqtt_record::{Reader, Writer};
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let file = Writer::begin(Vec::new(), Duration::from_secs(1))?.into_inner();
    assert_eq!(Reader::begin(file.as_slice())?.started(), Duration::from_secs(1));
    Ok(())
}
