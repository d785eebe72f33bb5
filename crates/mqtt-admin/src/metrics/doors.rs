//! What is counted where clients come in: listeners, certificates, who they are.

use super::{Kind, Metric, counter, gauge, labelled, number};
use mqtt_broker::{ListenerState, Manager};
use std::collections::BTreeMap;
use std::time::UNIX_EPOCH;

/// Each listener's numbers, and the certificates they show.
pub(super) fn listeners(manager: &Manager) -> Vec<Metric> {
    let states = manager.listeners();
    vec![
        of_each(
            &states,
            Kind::Gauge,
            "mqtt_listener_connections",
            "Network Connections of a listener now, those in a handshake included",
            |state| number(state.connections),
        ),
        of_each(
            &states,
            Kind::Counter,
            "mqtt_listener_accepted",
            "Network Connections a listener took from the system",
            |state| state.accepted,
        ),
        of_each(
            &states,
            Kind::Counter,
            "mqtt_listener_refused_by_rules",
            "Network Connections turned away by access_rules",
            |state| state.refused_by_rules,
        ),
        of_each(
            &states,
            Kind::Counter,
            "mqtt_handshakes",
            "Handshakes begun, of TLS, WebSocket and the PROXY protocol",
            |state| state.handshakes,
        ),
        of_each(
            &states,
            Kind::Counter,
            "mqtt_handshakes_failed",
            "Handshakes that went wrong",
            |state| state.handshakes_failed,
        ),
        of_each(
            &states,
            Kind::Counter,
            "mqtt_handshakes_late",
            "Handshakes that took too long",
            |state| state.handshakes_late,
        ),
        of_each(
            &states,
            Kind::Counter,
            "mqtt_handshakes_dropped",
            "Handshakes that had to make room for others",
            |state| state.handshakes_dropped,
        ),
        of_each(
            &states,
            Kind::Counter,
            "mqtt_certificates_failed",
            "Times a changed file of certificates could not be used and what was read before stayed in force",
            |state| state.certificates_failed,
        ),
        labelled(
            Kind::Gauge,
            "mqtt_certificate_expires_seconds",
            "When a certificate that is shown ceases to be good, in seconds since 1970, by file",
            "file",
            expiries(manager).into_iter().collect(),
        ),
    ]
}

fn of_each(
    states: &[ListenerState],
    kind: Kind,
    name: &'static str,
    help: &'static str,
    of: impl Fn(&ListenerState) -> u64,
) -> Metric {
    let values = states
        .iter()
        .map(|state| (state.name.to_string(), of(state)));
    labelled(kind, name, help, "listener", values.collect())
}

/// By file: one certificate may be shown by several listeners.
fn expiries(manager: &Manager) -> BTreeMap<String, u64> {
    let certificates = manager.certificates().into_iter();
    let expiries = certificates.filter_map(|state| {
        let not_after = state.certificate.not_after?;
        let since = not_after.duration_since(UNIX_EPOCH).unwrap_or_default();
        Some((state.file.display().to_string(), since.as_secs()))
    });
    expiries.collect()
}

/// What became of those who said who they are; nothing where the embedding program answers for itself.
pub(super) fn authentication(manager: &Manager) -> Vec<Metric> {
    let Some(counts) = manager.authentication() else {
        return Vec::new();
    };
    let outcomes = [
        ("accepted", counts.accepted),
        ("anonymous", counts.anonymous),
        ("refused", counts.refused),
        ("limited", counts.limited),
        ("busy", counts.busy),
        ("unavailable", counts.unavailable),
        ("expired", counts.expired),
    ];
    vec![
        labelled(
            Kind::Counter,
            "mqtt_authentications",
            "Clients by what came of asking who they are",
            "outcome",
            outcomes
                .map(|(outcome, count)| (outcome.to_owned(), count))
                .into(),
        ),
        counter(
            "mqtt_passwords_checked",
            "Passwords checked",
            counts.checked,
        ),
        counter(
            "mqtt_passwords_proven",
            "Passwords that need not be checked, since they were right a moment ago",
            counts.proven,
        ),
        gauge(
            "mqtt_passwords_waiting",
            "Clients waiting for their password to be checked",
            number(counts.waiting),
        ),
    ]
}
