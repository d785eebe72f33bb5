//! Appends a record and finds it again.

use mqtt_log::{Entry, Position, RealDisk, Recovery, Settings};
use std::error::Error;
use std::num::NonZeroU8;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("mqtt-log-outside-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let append = |payload: &[u8]| -> Result<Vec<u8>, Box<dyn Error>> {
        let recovery = Recovery::open(RealDisk::new(&folder)?, Settings::default())?;
        let mut found = Vec::new();
        let (log, _) = recovery.replay(Position::ZERO, Position::ZERO, |record| {
            found.extend_from_slice(record.payload);
            Ok::<_, std::io::Error>(())
        })?;
        log.append(Entry::new(NonZeroU8::MIN, &[payload]))?;
        log.close()?;
        Ok(found)
    };
    assert_eq!(append(b"kitchen 21.5")?, b"");
    assert_eq!(append(b"hall 19")?, b"kitchen 21.5");
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
