//! Every topic below `$SYS` but those of clients, with what it says now.

use super::{Value, memory, time};
use crate::core::Core;

fn value(topic_name: String, text: impl ToString) -> Value {
    Value {
        topic_name,
        text: text.to_string(),
    }
}

/// `$SYS/broker/...`, with mosquitto's names.
pub(super) fn statistics(core: &Core, now_ms: u64) -> Vec<Value> {
    let totals = core.counters.totals();
    let sessions = u64::try_from(core.session_count()).unwrap_or(u64::MAX);
    let connected = totals.clients_connected;
    let disconnected = sessions.saturating_sub(connected);
    let retained = core.retained.len();
    let stored = retained.saturating_add(core.extensions.delayed.len());
    let expired = totals.sessions_ended.get("expired").copied();
    let version = concat!("mqtt-broker ", env!("CARGO_PKG_VERSION"));
    let mut all = vec![
        ("version", version.to_owned()),
        (
            "uptime",
            format!("{} seconds", core.sys.uptime_ms(now_ms) / 1000),
        ),
        ("clients/total", sessions.to_string()),
        ("clients/connected", connected.to_string()),
        ("clients/active", connected.to_string()),
        ("clients/disconnected", disconnected.to_string()),
        ("clients/inactive", disconnected.to_string()),
        ("clients/maximum", totals.clients_maximum.to_string()),
        ("clients/expired", expired.unwrap_or(0).to_string()),
        ("messages/received", totals.packets_received.to_string()),
        ("messages/sent", totals.packets_sent.to_string()),
        ("messages/stored", stored.to_string()),
        ("store/messages/count", stored.to_string()),
        ("store/messages/bytes", core.retained.bytes().to_string()),
        ("bytes/received", totals.bytes_received.to_string()),
        ("bytes/sent", totals.bytes_sent.to_string()),
        (
            "publish/messages/received",
            totals.messages_received.to_string(),
        ),
        ("publish/messages/sent", totals.messages_sent.to_string()),
        ("publish/messages/dropped", totals.dropped().to_string()),
        ("subscriptions/count", core.router.len().to_string()),
        ("retained messages/count", retained.to_string()),
    ];
    if let Some((current, maximum)) = memory::resident() {
        all.push(("heap/current", current.to_string()));
        all.push(("heap/maximum", maximum.to_string()));
    }
    if let Some(log) = core.log.stats() {
        all.push(("store/log/bytes", log.used.to_string()));
        all.push(("store/log/maximum", log.max.to_string()));
        all.push(("store/log/alarm", u8::from(log.is_alarmed).to_string()));
        all.push(("store/log/full", u8::from(log.is_full).to_string()));
        all.push(("store/log/groups", log.groups.to_string()));
        all.push(("store/log/syncs", log.syncs.to_string()));
        all.push(("store/log/written", log.written.to_string()));
    }
    let named = all
        .into_iter()
        .map(|(name, text)| value(format!("$SYS/broker/{name}"), text));
    let mut named: Vec<_> = named.collect();
    for (name, minutes, average) in core.sys.loads.lock().all() {
        let topic_name = format!("$SYS/broker/load/{name}/{minutes}min");
        named.push(value(topic_name, format!("{average:.2}")));
    }
    named
}

/// `$SYS/brokers` and what does not change below it, with EMQX's names.
pub(super) fn about(core: &Core) -> Vec<Value> {
    let node = &core.sys.node;
    vec![
        value("$SYS/brokers".to_owned(), node),
        value(
            format!("$SYS/brokers/{node}/version"),
            env!("CARGO_PKG_VERSION"),
        ),
        value(
            format!("$SYS/brokers/{node}/sysdescr"),
            "MQTT 3.1, 3.1.1 and 5.0 broker",
        ),
    ]
}

/// What tells that the broker is alive: how long it has run, in milliseconds, and its date.
pub(super) fn heartbeat(core: &Core, now_ms: u64) -> Vec<Value> {
    let node = &core.sys.node;
    let date = time::rfc3339(core.sys.date(now_ms));
    vec![
        value(
            format!("$SYS/brokers/{node}/uptime"),
            core.sys.uptime_ms(now_ms),
        ),
        value(format!("$SYS/brokers/{node}/datetime"), date),
    ]
}
