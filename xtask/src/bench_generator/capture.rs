//! A capture of loopback by tcpdump, and the times of messages in it: what the kernel saw, beside what `mqtt bench` tells.

use std::collections::HashMap;
use std::fmt;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

use super::CAPTURE_START_MAX;

/// How the header of a message of `mqtt bench` begins that has number and time.
const MARK: &[u8] = b"mqb\x03";
/// Bytes of it behind the mark: stream, number, time.
const FIELDS: usize = 24;
/// Bytes before the first packet of a capture file.
const FILE_HEADER: usize = 24;
/// Bytes before each.
const PACKET_HEADER: usize = 16;
/// Bytes of an Ethernet header, which loopback has too.
const ETHERNET: usize = 14;

/// A capture that is going on. Dropping it ends it and removes the file.
pub(super) struct Capture {
    tcpdump: Child,
    stderr: Option<BufReader<ChildStderr>>,
    file: PathBuf,
    port: u16,
}

/// Messages of a capture.
pub(super) struct Captured {
    /// By stream and number.
    messages: HashMap<(u64, u64), Seen>,
    /// Packets the capture has missed.
    pub(super) dropped: String,
}

/// When a message was due, on its way to the broker, and on its way to the subscriber, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
struct Seen([Option<u64>; 3]);

/// Times in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quantiles {
    pub(super) p50: f64,
    pub(super) p90: f64,
    pub(super) p99: f64,
}

impl Capture {
    /// Captures what goes to and from `port` on loopback.
    pub(super) fn start(port: u16) -> Result<Self, String> {
        let file =
            std::env::temp_dir().join(format!("mqtt-bench-{}-{port}.pcap", std::process::id()));
        let mut command = Command::new("tcpdump");
        command
            .args(["-i", "lo", "-n", "-s", "0", "-B", "65536", "--nano", "-w"])
            .arg(&file)
            .args(["tcp", "port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut tcpdump = command
            .spawn()
            .map_err(|error| format!("tcpdump, which is needed for this: {error}"))?;
        let stderr = tcpdump.stderr.take().map(BufReader::new);
        let mut capture = Self {
            tcpdump,
            stderr,
            file,
            port,
        };
        capture.wait_until_it_listens()?;
        Ok(capture)
    }

    fn wait_until_it_listens(&mut self) -> Result<(), String> {
        let started = std::time::Instant::now();
        let stderr = self.stderr.as_mut().ok_or("tcpdump says nothing")?;
        let mut line = String::new();
        while started.elapsed() < CAPTURE_START_MAX {
            line.clear();
            match stderr.read_line(&mut line) {
                Ok(0) | Err(_) => {
                    return Err("tcpdump has ended; it needs the right to capture".to_owned());
                }
                Ok(_) if line.contains("listening on") => return Ok(()),
                Ok(_) => {}
            }
        }
        Err("tcpdump does not begin".to_owned())
    }

    /// Ends it and reads it.
    pub(super) fn end(mut self) -> Result<Captured, String> {
        self.interrupt();
        let _status = self.tcpdump.wait();
        let mut dropped = "no word of".to_owned();
        for line in self
            .stderr
            .take()
            .into_iter()
            .flat_map(BufRead::lines)
            .map_while(Result::ok)
        {
            if let Some(count) = line.strip_suffix(" packets dropped by kernel") {
                dropped = count.to_owned();
            }
        }
        let bytes =
            fs::read(&self.file).map_err(|error| format!("{}: {error}", self.file.display()))?;
        let messages = messages(&bytes, self.port).ok_or("the capture is no file of tcpdump")?;
        Ok(Captured { messages, dropped })
    }

    fn interrupt(&mut self) {
        let pid = self.tcpdump.id().to_string();
        // It may have ended by itself.
        let _status = Command::new("kill").args(["-INT", &pid]).status();
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ended = self.tcpdump.kill();
        let _status = self.tcpdump.wait();
        let _removed = fs::remove_file(&self.file);
    }
}

impl Captured {
    /// How many messages there are with all three times.
    pub(super) fn len(&self) -> usize {
        self.messages
            .values()
            .filter(|seen| seen.0.iter().all(Option::is_some))
            .count()
    }

    /// From when a message was due to its packet to the subscriber.
    pub(super) fn since_due(&self) -> Result<Quantiles, String> {
        self.quantiles(0, 2)
    }

    /// From the packet to the broker to the packet to the subscriber.
    pub(super) fn on_the_wire(&self) -> Result<Quantiles, String> {
        self.quantiles(1, 2)
    }

    fn quantiles(&self, from: usize, to: usize) -> Result<Quantiles, String> {
        let time = |seen: &Seen| {
            let [from, to] = [from, to].map(|place| seen.0.get(place).copied().flatten());
            Some(to?.saturating_sub(from?))
        };
        let mut times: Vec<u64> = self.messages.values().filter_map(time).collect();
        times.sort_unstable();
        let at = |per_cent: usize| {
            let ns = times.get((times.len() * per_cent / 100).min(times.len().saturating_sub(1)));
            ns.map(|ns| std::time::Duration::from_nanos(*ns).as_secs_f64() * 1e6)
        };
        match (at(50), at(90), at(99)) {
            (Some(p50), Some(p90), Some(p99)) => Ok(Quantiles { p50, p90, p99 }),
            _ => Err("the capture has no messages".to_owned()),
        }
    }
}

impl Quantiles {
    /// By how many percent these are more than `other`.
    pub(super) fn differences(&self, other: &Self) -> [f64; 3] {
        let difference = |ours: f64, theirs: f64| (ours - theirs) * 100.0 / theirs.max(1e-9);
        [
            difference(self.p50, other.p50),
            difference(self.p90, other.p90),
            difference(self.p99, other.p99),
        ]
    }
}

impl fmt::Display for Quantiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.0}/{:.0}/{:.0}", self.p50, self.p90, self.p99)
    }
}

/// Times of all messages in a file of tcpdump with nanoseconds. A header that is cut in two by packets is left out.
fn messages(file: &[u8], port: u16) -> Option<HashMap<(u64, u64), Seen>> {
    // Written on this machine: its magic number in this machine's order.
    if file.first_chunk().map(|magic| u32::from_ne_bytes(*magic)) != Some(0xA1B2_3C4D) {
        return None;
    }
    let mut found: HashMap<(u64, u64), Seen> = HashMap::new();
    let mut rest = file.get(FILE_HEADER..)?;
    while let Some((header, after)) = rest.split_at_checked(PACKET_HEADER) {
        let word = |at: usize| {
            let bytes = header.get(at..)?.first_chunk()?;
            Some(u32::from_ne_bytes(*bytes))
        };
        let at_ns = u64::from(word(0)?) * 1_000_000_000 + u64::from(word(4)?);
        let len = usize::try_from(word(8)?).ok()?;
        let Some((packet, after)) = after.split_at_checked(len) else {
            // The end of a capture may be cut off.
            break;
        };
        rest = after;
        let Some((to_broker, payload)) = segment(packet, port) else {
            continue;
        };
        for (stream, number, due_ns) in headers(payload) {
            let Seen([due, sent, delivered]) = found.entry((stream, number)).or_default();
            *due = Some(due_ns);
            let place = if to_broker { sent } else { delivered };
            // What is sent again came later.
            place.get_or_insert(at_ns);
        }
    }
    Some(found)
}

/// Whether a packet goes to the broker, and what TCP carries in it.
fn segment(packet: &[u8], port: u16) -> Option<(bool, &[u8])> {
    let ip = packet.get(ETHERNET..)?;
    let ip_len = usize::from(*ip.first()? & 0x0F) * 4;
    let tcp = ip.get(ip_len..)?;
    let to = u16::from_be_bytes(*tcp.get(2..)?.first_chunk()?);
    let tcp_len = usize::from(*tcp.get(12)? >> 4) * 4;
    Some((to == port, tcp.get(tcp_len..)?))
}

/// Stream, number and time of all headers in it.
fn headers(payload: &[u8]) -> impl Iterator<Item = (u64, u64, u64)> {
    let starts = payload
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, bytes)| *bytes == MARK);
    starts.filter_map(|(at, _)| {
        let fields = payload.get(at + MARK.len()..)?.get(..FIELDS)?;
        let field = |place: usize| {
            let bytes = fields.get(place * 8..)?.first_chunk()?;
            Some(u64::from_be_bytes(*bytes))
        };
        Some((field(0)?, field(1)?, field(2)?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file of tcpdump with one packet per message: to the broker at 1,000 us, back at 1,500 us.
    fn file(port: u16) -> Vec<u8> {
        let mut file = 0xA1B2_3C4D_u32.to_ne_bytes().to_vec();
        file.resize(FILE_HEADER, 0);
        for (us, ports) in [(1_000_u32, [9, port]), (1_500, [port, 9])] {
            let mut packet = vec![0; ETHERNET];
            packet.push(0x45);
            packet.resize(ETHERNET + 20, 0);
            packet.extend(ports.into_iter().flat_map(u16::to_be_bytes));
            packet.extend([0; 8]);
            packet.push(0x50);
            packet.resize(ETHERNET + 40, 0);
            packet.extend(b"\x30\x22\0\x01tmqb\x03");
            for field in [7_u64, 1, 900_000] {
                packet.extend(field.to_be_bytes());
            }
            let len = u32::try_from(packet.len()).unwrap();
            for word in [0, us * 1000, len, len] {
                file.extend(word.to_ne_bytes());
            }
            file.extend(packet);
        }
        file
    }

    #[test]
    fn times_of_a_message_are_found_in_both_directions() {
        let messages = messages(&file(1883), 1883).unwrap();
        assert_eq!(messages.len(), 1);
        let captured = Captured {
            messages,
            dropped: String::new(),
        };
        assert_eq!(captured.since_due().unwrap().p50, 600.0);
        assert_eq!(captured.on_the_wire().unwrap().p99, 500.0);
    }

    #[test]
    fn another_file_is_refused() {
        assert!(messages(b"no capture", 1).is_none());
    }
}
