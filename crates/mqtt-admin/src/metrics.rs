//! What a broker has counted and what it holds, by the names that Prometheus gets.

mod doors;

use crate::host::Host;
use crate::protocol::Counters;
use mqtt_broker::{Manager, RequestRefused, Sizes, Totals};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::fmt;

/// What a number is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// It only grows while the broker runs.
    Counter,
    /// It is what there is now.
    Gauge,
}

/// One name with what it counts.
#[derive(Debug)]
struct Metric {
    /// Without the `_total` that a counter's name ends with.
    name: &'static str,
    help: &'static str,
    kind: Kind,
    /// The name of the label; none for a single number.
    label: Option<&'static str>,
    /// Each value of the label with its number.
    values: Vec<(String, u64)>,
}

/// All of them, as they were at one moment.
#[derive(Debug)]
struct Snapshot(Vec<Metric>);

/// The broker's metrics in the text form of Prometheus (OpenMetrics 1.0).
pub fn metrics(manager: &Manager) -> String {
    page(Snapshot::of(manager))
}

/// The same with those of the program that runs it.
pub(crate) fn all_metrics(manager: &Manager, host: &dyn Host) -> String {
    page(Snapshot::with_host(manager, host))
}

fn page(snapshot: Snapshot) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut page = String::new();
    // Writing to a `String` cannot fail.
    let _ = text::encode(&mut page, &registry);
    page
}

/// The same as numbers by name; a label's value stands in braces.
pub(crate) fn counters(manager: &Manager, host: &dyn Host) -> Counters {
    let all = Snapshot::with_host(manager, host)
        .0
        .into_iter()
        .flat_map(|metric| {
            let name = metric.full_name();
            let values = metric.values.into_iter();
            values.map(move |(value, number)| match metric.label {
                None => (name.clone(), number),
                Some(label) => (format!("{name}{{{label}=\"{value}\"}}"), number),
            })
        });
    Counters(all.collect())
}

impl Snapshot {
    fn of(manager: &Manager) -> Self {
        let (info, delayed) = (manager.info(), manager.delayed_count());
        let mut all = traffic(&manager.totals());
        all.extend(causes(&manager.totals()));
        all.extend(holdings(&manager.sizes()));
        all.extend(doors::listeners(manager));
        all.extend(doors::authentication(manager));
        let up_s = info.uptime().as_secs();
        all.extend([
            gauge(
                "mqtt_delayed_messages",
                "Messages published to $delayed that wait for their time",
                number(delayed),
            ),
            gauge(
                "mqtt_uptime_seconds",
                "Time since the broker was started",
                up_s,
            ),
            labelled(
                Kind::Gauge,
                "mqtt_broker_info",
                "Always 1; the label is the broker's version",
                "version",
                vec![(info.version.to_owned(), 1)],
            ),
        ]);
        Self(all)
    }
}

impl Snapshot {
    fn with_host(manager: &Manager, host: &dyn Host) -> Self {
        let mut all = Self::of(manager);
        let outputs = host.log_lines_lost().into_iter();
        all.0.push(labelled(
            Kind::Counter,
            "mqtt_logging_lines_lost",
            "Lines of the log that could not be written, or found no room to wait for it, by output",
            "output",
            outputs.map(|(output, lines)| (output.to_owned(), lines)).collect(),
        ));
        all
    }
}

fn traffic(totals: &Totals) -> Vec<Metric> {
    vec![
        counter(
            "mqtt_connections_opened",
            "Network Connections accepted",
            totals.connections_opened,
        ),
        counter(
            "mqtt_connections_closed",
            "Network Connections gone",
            totals.connections_closed,
        ),
        counter(
            "mqtt_connections_panicked",
            "Connections ended by a panic in their own code",
            totals.connections_panicked,
        ),
        counter(
            "mqtt_clients_accepted",
            "CONNECT packets that were accepted",
            totals.clients_accepted,
        ),
        gauge(
            "mqtt_clients_connected",
            "Clients connected now",
            totals.clients_connected,
        ),
        gauge(
            "mqtt_clients_connected_max",
            "The most clients connected at a time",
            totals.clients_maximum,
        ),
        counter(
            "mqtt_packets_received",
            "Control Packets taken from clients",
            totals.packets_received,
        ),
        counter(
            "mqtt_packets_sent",
            "Control Packets written for clients",
            totals.packets_sent,
        ),
        counter(
            "mqtt_received_bytes",
            "Bytes taken from clients",
            totals.bytes_received,
        ),
        counter(
            "mqtt_sent_bytes",
            "Bytes written to clients",
            totals.bytes_sent,
        ),
        counter(
            "mqtt_messages_received",
            "PUBLISH packets taken from clients",
            totals.messages_received,
        ),
        counter(
            "mqtt_messages_sent",
            "PUBLISH packets handed to connections, without those sent again",
            totals.messages_sent,
        ),
        counter(
            "mqtt_messages_queued",
            "Messages put into the queue of a session",
            totals.messages_queued,
        ),
        counter(
            "mqtt_queue_loads",
            "Times that messages were read from the log for a queue",
            totals.queue_loads,
        ),
        counter(
            "mqtt_queue_loaded",
            "Messages of queues that were read from the log",
            totals.queue_loaded,
        ),
        counter(
            "mqtt_events_missed",
            "Events that readers of the stream of events were too slow for",
            totals.events_missed,
        ),
    ]
}

fn causes(totals: &Totals) -> Vec<Metric> {
    let by_label = |causes: &std::collections::BTreeMap<&'static str, u64>| {
        let causes = causes.iter();
        causes
            .map(|(cause, count)| ((*cause).to_owned(), *count))
            .collect()
    };
    let dropped = [
        ("offline", totals.dropped_offline),
        ("outbox_full", totals.dropped_outbox_full),
        ("expired", totals.dropped_expired),
        ("too_large", totals.dropped_too_large),
        ("queue_full", totals.dropped_queue_full),
        ("share_ended", totals.dropped_share_ended),
        ("retained_full", totals.dropped_retained_full),
        ("denied", totals.dropped_denied),
        ("hook", totals.dropped_hook),
        ("delayed_full", totals.dropped_delayed_full),
        ("unreadable", totals.dropped_unreadable),
        ("withheld", totals.dropped_withheld),
    ];
    let refused = totals.refused.iter().filter_map(|(what, count)| {
        let (packet, reason) = match what {
            RequestRefused::Publish(reason) => ("publish", reason),
            RequestRefused::Subscribe(reason) => ("subscribe", reason),
            _ => return None,
        };
        Some((format!("{packet}_0x{:02x}", reason.get()), *count))
    });
    vec![
        labelled(
            Kind::Counter,
            "mqtt_messages_dropped",
            "Messages that did not reach a subscriber, by cause",
            "cause",
            dropped
                .map(|(cause, count)| (cause.to_owned(), count))
                .into(),
        ),
        labelled(
            Kind::Counter,
            "mqtt_connections_ended",
            "Network Connections that ended, by cause",
            "cause",
            by_label(&totals.ends),
        ),
        labelled(
            Kind::Counter,
            "mqtt_sessions_ended",
            "Sessions that ended, by cause",
            "cause",
            by_label(&totals.sessions_ended),
        ),
        labelled(
            Kind::Counter,
            "mqtt_limits_reached",
            "Limits reached, see limits.md",
            "limit",
            by_label(&totals.limits),
        ),
        labelled(
            Kind::Counter,
            "mqtt_requests_refused",
            "PUBLISH packets and Topic Filters refused, by packet and Reason Code",
            "cause",
            refused.collect(),
        ),
        labelled(
            Kind::Counter,
            "mqtt_requests_denied",
            "Of the requests refused those that rights were the ground of, by what decided",
            "ground",
            by_label(&totals.denied),
        ),
    ]
}

fn holdings(sizes: &Sizes) -> Vec<Metric> {
    let mut all = vec![
        gauge(
            "mqtt_connections",
            "Network Connections now",
            number(sizes.connections),
        ),
        gauge(
            "mqtt_sessions",
            "Sessions now, connected or not",
            number(sizes.sessions),
        ),
        gauge(
            "mqtt_subscriptions",
            "Subscriptions of all sessions now",
            number(sizes.subscriptions),
        ),
        gauge(
            "mqtt_retained_messages",
            "Retained messages now",
            number(sizes.retained),
        ),
        gauge(
            "mqtt_queued_in_log_messages",
            "Messages of queues that are in the log and not in memory",
            number(sizes.queued_in_log),
        ),
    ];
    if let Some(log) = sizes.log {
        all.extend([
            gauge(
                "mqtt_log_used_bytes",
                "Bytes that the files of the log take",
                log.used,
            ),
            gauge(
                "mqtt_log_max_bytes",
                "Bytes that the files of the log may take",
                log.max,
            ),
            gauge(
                "mqtt_log_full",
                "1 while there is no room for more in the log",
                u64::from(log.is_full),
            ),
            counter(
                "mqtt_log_groups",
                "Groups of records written to the log",
                log.groups,
            ),
            counter("mqtt_log_syncs", "Files of the log synced", log.syncs),
            counter(
                "mqtt_log_written_bytes",
                "Bytes written to the log",
                log.written,
            ),
        ]);
    }
    all
}

fn counter(name: &'static str, help: &'static str, number: u64) -> Metric {
    single(Kind::Counter, name, help, number)
}

fn gauge(name: &'static str, help: &'static str, number: u64) -> Metric {
    single(Kind::Gauge, name, help, number)
}

fn single(kind: Kind, name: &'static str, help: &'static str, number: u64) -> Metric {
    Metric {
        name,
        help,
        kind,
        label: None,
        values: vec![(String::new(), number)],
    }
}

const fn labelled(
    kind: Kind,
    name: &'static str,
    help: &'static str,
    label: &'static str,
    values: Vec<(String, u64)>,
) -> Metric {
    Metric {
        name,
        help,
        kind,
        label: Some(label),
        values,
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

impl Metric {
    fn full_name(&self) -> String {
        match self.kind {
            Kind::Counter => format!("{}_total", self.name),
            Kind::Gauge => self.name.to_owned(),
        }
    }

    fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let metric_type = match self.kind {
            Kind::Counter => ConstCounter::new(0_u64).metric_type(),
            Kind::Gauge => ConstGauge::new(0_u64).metric_type(),
        };
        let mut family = encoder.encode_descriptor(self.name, self.help, None, metric_type)?;
        let Some(label) = self.label else {
            let number = self.values.first().map_or(0, |(_, number)| *number);
            return self.kind.encode(number, family);
        };
        for (value, number) in &self.values {
            let labels = [(label, value.as_str())];
            self.kind.encode(*number, family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

impl Kind {
    fn encode(self, number: u64, encoder: MetricEncoder<'_>) -> fmt::Result {
        match self {
            Self::Counter => ConstCounter::new(number).encode(encoder),
            Self::Gauge => ConstGauge::new(number).encode(encoder),
        }
    }
}

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|metric| metric.encode(&mut encoder))
    }
}
