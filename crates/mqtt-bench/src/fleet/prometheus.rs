//! Counts and times in the text format of Prometheus, over HTTP or as a text.

use std::fmt::Write as _;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::director::Progress;
use super::report::{FleetReport, TimesReport};
use super::tally::Counts;

/// How long one who asks may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Bytes of a request that are read; the rest does not matter.
const REQUEST_MAX: usize = 4096;

impl Progress {
    /// This second's state for Prometheus.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let kinds = [
            ("delivering", TimesReport::of(&self.times.delivering)),
            ("acknowledging", TimesReport::of(&self.times.acknowledging)),
            ("sending", TimesReport::of(&self.times.sending)),
            ("connecting", TimesReport::of(&self.times.connecting)),
        ];
        let kinds = kinds
            .each_ref()
            .map(|(name, times)| (*name, times.as_ref()));
        text(&self.counts, &kinds)
    }
}

impl FleetReport {
    /// The whole run for Prometheus.
    #[must_use]
    pub fn prometheus(&self) -> String {
        let kinds = self.kinds().map(|(name, _, times)| (name, times));
        text(&self.counts, &kinds)
    }
}

fn text(counts: &Counts, kinds: &[(&str, Option<&TimesReport>)]) -> String {
    let mut out = String::new();
    for (name, kind, help, value) in [
        (
            "clients_ready",
            "gauge",
            "Clients that are connected.",
            counts.ready,
        ),
        (
            "under_way",
            "gauge",
            "Messages sent above QoS 0 and not acknowledged.",
            counts.under_way,
        ),
        (
            "connects_total",
            "counter",
            "Connections made.",
            counts.connects,
        ),
        (
            "connect_failures_total",
            "counter",
            "Connections not made.",
            counts.connect_failures,
        ),
        (
            "connections_lost_total",
            "counter",
            "Connections lost.",
            counts.lost_connections,
        ),
        ("sent_total", "counter", "Messages sent.", counts.sent),
        (
            "acknowledged_total",
            "counter",
            "Messages acknowledged.",
            counts.acknowledged,
        ),
        (
            "refused_total",
            "counter",
            "Messages refused.",
            counts.refused,
        ),
        (
            "received_total",
            "counter",
            "Messages received.",
            counts.received,
        ),
        (
            "missing_total",
            "counter",
            "Messages missing by their numbers.",
            counts.skipped,
        ),
        (
            "repeated_total",
            "counter",
            "Messages received again.",
            counts.repeated,
        ),
        (
            "late_total",
            "counter",
            "Messages received after later ones.",
            counts.late,
        ),
    ] {
        // A String takes everything.
        let _ = writeln!(out, "# HELP mqtt_bench_{name} {help}");
        let _ = writeln!(out, "# TYPE mqtt_bench_{name} {kind}");
        let _ = writeln!(out, "mqtt_bench_{name} {value}");
    }
    for (name, times) in kinds {
        let Some(times) = times else { continue };
        let _ = writeln!(out, "# TYPE mqtt_bench_{name}_seconds summary");
        for (quantile, us) in [
            ("0.5", times.p50_us),
            ("0.9", times.p90_us),
            ("0.99", times.p99_us),
            ("0.999", times.p999_us),
            ("1", times.max_us),
        ] {
            let seconds = us / 1e6;
            let _ = writeln!(
                out,
                "mqtt_bench_{name}_seconds{{quantile=\"{quantile}\"}} {seconds}"
            );
        }
        let _ = writeln!(out, "mqtt_bench_{name}_seconds_count {}", times.count);
    }
    out
}

/// Answers every request over HTTP with the last text it was given. Ends with the process.
#[derive(Clone, Debug)]
pub struct MetricsServer {
    text: Arc<Mutex<String>>,
    address: SocketAddr,
}

impl MetricsServer {
    /// Listens there.
    ///
    /// # Errors
    /// The address cannot be listened on, or no thread can be started.
    pub fn start(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let text = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&text);
        thread::Builder::new()
            .name("bench-metrics".to_owned())
            .spawn(move || {
                for stream in listener.incoming().flatten() {
                    let text = shown.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    // Whoever asked and went away needs no answer.
                    let _ = answer(stream, &text);
                }
            })?;
        Ok(Self { text, address })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it answers from now on.
    pub fn show(&self, text: String) {
        *self.text.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
}

fn answer(mut stream: TcpStream, text: &str) -> io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut request = Vec::new();
    let mut part = [0; 512];
    while !request.ends_with(b"\r\n\r\n") && request.len() < REQUEST_MAX {
        match stream.read(&mut part)? {
            0 => break,
            len => request.extend_from_slice(part.get(..len).unwrap_or_default()),
        }
    }
    write!(
        stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}
