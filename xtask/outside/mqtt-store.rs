//! Keeps a session, and recovers it.

use mqtt_store::{Record, SessionId, Settings, Store};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("mqtt-store-outside-{}", std::process::id()));
    let (store, recovered, _) = Store::open(&folder, Settings::default())?;
    assert!(recovered.sessions.is_empty());
    store.append(&Record::SessionStarted {
        session: SessionId(1),
        client_id: "c".into(),
        expiry_s: 3600,
        at_ms: 0,
    })?;
    store.close()?;
    drop(store);
    let (store, recovered, _) = Store::open(&folder, Settings::default())?;
    assert_eq!(recovered.sessions[0].client_id, "c");
    drop(store);
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
