//! Rows and records as JSON, for people and their tools.

use crate::checkpoint::Numbers;
use crate::flow::FlowRow;
use crate::message::StoredMessage;
use crate::record::{MessageId, Record};
use crate::rows::Row;
use serde_json::{Value, json};
use std::num::NonZeroU16;

pub(crate) fn numbers(numbers: &Numbers) -> Value {
    json!({
        "checkpoint": {
            "applied": numbers.applied,
            "next_message": numbers.next_message.0,
            "last_session": numbers.last_session.0,
        }
    })
}

pub(crate) fn row(key: &[u8], row: &[u8]) -> Value {
    let Ok(decoded) = Row::decode(key, row) else {
        return json!({ "row": "unreadable", "key": bytes(key) });
    };
    match decoded {
        Row::ClientId(session, client_id) => {
            json!({ "row": "client_id", "session": session.0, "client_id": client_id })
        }
        Row::Life {
            session,
            is_connected,
            expiry_s,
            at_ms,
        } => json!({
            "row": "life", "session": session.0, "connected": is_connected,
            "expiry_s": expiry_s, "at_ms": at_ms,
        }),
        Row::Will {
            session,
            delay_s,
            expiry_s,
            message: will,
        } => json!({
            "row": "will", "session": session.0, "delay_s": delay_s, "expiry_s": expiry_s,
            "message": message(&will),
        }),
        Row::Flow(session, flow) => match FlowRow::decode(flow) {
            Err(_) => json!({ "row": "unreadable", "session": session.0 }),
            Ok(flow) => json!({
                "row": "queue", "session": session.0, "from": flow.floor.0,
                "done": flow.done.iter().map(|id| id.0).collect::<Vec<_>>(),
                "begun": pairs(&flow.begun), "confirmed": pairs(&flow.confirmed),
            }),
        },
        Row::Subscription {
            session,
            topic_filter,
            options,
            subscription_id,
        } => json!({
            "row": "subscription", "session": session.0, "topic_filter": topic_filter,
            "options": options, "subscription_id": subscription_id,
        }),
        Row::Received(session, packet_id) => {
            json!({ "row": "received", "session": session.0, "packet_id": packet_id })
        }
        Row::Retained(retained) => json!({ "row": "retained", "message": message(&retained) }),
        Row::Delayed {
            id,
            due_ms,
            publisher_id,
            message: delayed,
        } => json!({
            "row": "delayed", "id": id, "due_ms": due_ms, "publisher_id": publisher_id,
            "message": message(&delayed),
        }),
    }
}

pub(crate) fn record(found: &mqtt_log::Record<'_>) -> Value {
    let mut value = match Record::decode(found.kind, found.version, found.payload) {
        Ok(record) => of_record(&record),
        Err(_) => json!({ "record": "unreadable", "kind": found.kind }),
    };
    if let Some(fields) = value.as_object_mut() {
        fields.insert("position".to_owned(), found.position.number().into());
    }
    value
}

fn of_record(record: &Record<'_>) -> Value {
    match record {
        Record::SessionStarted {
            session,
            client_id,
            expiry_s,
            at_ms,
        } => json!({
            "record": "session_started", "session": session.0, "client_id": client_id,
            "expiry_s": expiry_s, "at_ms": at_ms,
        }),
        Record::Attached {
            session,
            expiry_s,
            at_ms,
        } => json!({
            "record": "attached", "session": session.0, "expiry_s": expiry_s, "at_ms": at_ms,
        }),
        Record::Detached {
            session,
            expiry_s,
            at_ms,
        } => json!({
            "record": "detached", "session": session.0, "expiry_s": expiry_s, "at_ms": at_ms,
        }),
        Record::SessionEnded { session } => {
            json!({ "record": "session_ended", "session": session.0 })
        }
        Record::Subscribed {
            session,
            topic_filter,
            options,
            subscription_id,
        } => json!({
            "record": "subscribed", "session": session.0, "topic_filter": topic_filter,
            "options": options, "subscription_id": subscription_id,
        }),
        Record::Unsubscribed {
            session,
            topic_filter,
        } => json!({
            "record": "unsubscribed", "session": session.0, "topic_filter": topic_filter,
        }),
        Record::Will {
            session,
            message: will,
            delay_s,
            expiry_s,
        } => json!({
            "record": "will", "session": session.0, "delay_s": delay_s, "expiry_s": expiry_s,
            "message": message(will),
        }),
        Record::WillGone { session } => json!({ "record": "will_gone", "session": session.0 }),
        Record::Message {
            id,
            recipients,
            is_retained,
            received,
            message: queued,
        } => {
            let recipients = recipients.iter().map(|one| {
                json!({
                    "session": one.session.0, "qos": one.qos, "retain": one.retain,
                    "subscription_ids": one.subscription_ids,
                    "shared_filter": one.shared_filter,
                })
            });
            json!({
                "record": "message", "id": id.0, "retained": is_retained,
                "received": received.map(NonZeroU16::get),
                "recipients": recipients.collect::<Vec<_>>(), "message": message(queued),
            })
        }
        Record::RetainedRemoved { topic_name } => {
            json!({ "record": "retained_removed", "topic_name": topic_name })
        }
        Record::Begun {
            session,
            id,
            packet_id,
        } => json!({
            "record": "begun", "session": session.0, "id": id.0, "packet_id": packet_id.get(),
        }),
        Record::Confirmed { session, id } => {
            json!({ "record": "confirmed", "session": session.0, "id": id.0 })
        }
        Record::Finished {
            session,
            first,
            last,
        } => json!({
            "record": "finished", "session": session.0, "first": first.0, "last": last.0,
        }),
        Record::Received { session, packet_id } => json!({
            "record": "received", "session": session.0, "packet_id": packet_id.get(),
        }),
        Record::Released { session, packet_id } => json!({
            "record": "released", "session": session.0, "packet_id": packet_id.get(),
        }),
        Record::Delayed {
            id,
            due_ms,
            publisher_id,
            received,
            message: delayed,
        } => json!({
            "record": "delayed", "id": id, "due_ms": due_ms, "publisher_id": publisher_id,
            "received": received.map(NonZeroU16::get), "message": message(delayed),
        }),
        Record::DelayedDone { id } => json!({ "record": "delayed_done", "id": id }),
    }
}

fn message(message: &StoredMessage<'_>) -> Value {
    json!({
        "topic_name": message.topic_name(), "qos": message.qos, "retain": message.retain,
        "expires_at_ms": message.expires_at_ms, "publisher": message.publisher,
        "properties": bytes(message.properties()), "payload": bytes(message.payload()),
    })
}

fn pairs(pairs: &[(MessageId, NonZeroU16)]) -> Vec<[u64; 2]> {
    let pairs = pairs.iter();
    pairs
        .map(|(id, packet_id)| [id.0, u64::from(packet_id.get())])
        .collect()
}

/// As text where it is one, else as `{"hex": ..}`.
fn bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => {
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            json!({ "hex": hex })
        }
    }
}
