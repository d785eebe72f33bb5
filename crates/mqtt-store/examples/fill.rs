//! Makes a store with sessions, queued and retained messages, and ends as if it had been killed.
//!
//! `fill DIR SESSIONS MESSAGES RETAINED PAYLOAD_LEN`; `DIR/store` must not be there. Session `n` has the Client
//! Identifier `s-n`, is subscribed to `q/n`, and is away; messages go to the sessions in turn.

use mqtt_store::{
    Position, Recipient, Record, SessionId, Settings, Store, StoreFull, StoredMessage,
};
use std::error::Error;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often it is looked whether all is durable.
const POLL: Duration = Duration::from_millis(1);
/// How long a full disk is waited for.
const BEHIND_MAX: Duration = Duration::from_secs(20);

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let dir = words.next().ok_or("a directory comes first")?;
    let mut number = || -> Result<u64, Box<dyn Error>> {
        Ok(words.next().ok_or("four numbers are needed")?.parse()?)
    };
    let (sessions, messages, retained) = (number()?, number()?, number()?);
    let payload_len = usize::try_from(number()?)?;
    let (store, ..) = Store::open(Path::new(&dir).join("store"), Settings::default())?;
    let mut last = Position::ZERO;
    for number in 1..=sessions {
        last = begin_session(&store, SessionId(number))?;
    }
    for number in 0..messages {
        let session = number % sessions.max(1) + 1;
        let topic_name = format!("q/{session}");
        let recipient = Recipient {
            session: SessionId(session),
            qos: 1,
            retain: false,
            subscription_ids: Vec::new(),
            shared_filter: None,
        };
        let message = message(&topic_name, number, payload_len);
        last = append(&store, &message, Some(recipient))?;
    }
    for number in 0..retained {
        let topic_name = format!("retained/{}/{number}", number % 1000);
        let message = StoredMessage {
            retain: true,
            ..message(&topic_name, number, 64)
        };
        last = append(&store, &message, None)?;
    }
    while store.durable() < last {
        std::thread::sleep(POLL);
    }
    // As a process that is killed, it writes no last checkpoint.
    std::process::exit(0);
}

fn begin_session(store: &Store, session: SessionId) -> Result<Position, Box<dyn Error>> {
    let client_id = format!("s-{}", session.0);
    let topic_filter = format!("q/{}", session.0);
    store.append(&Record::SessionStarted {
        session,
        client_id: client_id.into(),
        expiry_s: u32::MAX,
        at_ms: 0,
    })?;
    store.append(&Record::Subscribed {
        session,
        topic_filter: topic_filter.into(),
        options: 1,
        subscription_id: None,
    })?;
    Ok(store.append(&Record::Detached {
        session,
        expiry_s: u32::MAX,
        at_ms: 0,
    })?)
}

/// Waits for a disk that is behind; a message for nobody is retained.
fn append(
    store: &Store,
    message: &StoredMessage<'_>,
    recipient: Option<Recipient<'_>>,
) -> Result<Position, StoreFull> {
    let started = Instant::now();
    loop {
        let is_retained = recipient.is_none();
        let recipients = recipient.clone().into_iter().collect();
        match store.append_message(message.clone(), recipients, is_retained, None) {
            Ok((position, _)) => return Ok(position),
            Err(full) if started.elapsed() > BEHIND_MAX => return Err(full),
            Err(_) => std::thread::sleep(POLL),
        }
    }
}

fn message(topic_name: &str, number: u64, payload_len: usize) -> StoredMessage<'static> {
    let mut block = topic_name.as_bytes().to_vec();
    // No two are alike, so that nothing below can take them for one.
    block.extend(number.to_le_bytes().iter().cycle().take(payload_len));
    StoredMessage {
        qos: 1,
        retain: false,
        is_of_will: false,
        expires_at_ms: None,
        publisher: 0,
        publisher_tag: 0,
        topic_len: u32::try_from(topic_name.len()).unwrap_or(u32::MAX),
        properties_len: 0,
        block: block.into(),
    }
}
