//! Values of the flags of `mqtt bench`.

use std::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};

/// Why flags of emqtt-bench are refused, by number.
const REFUSALS: [&str; 6] = [
    "the generator speaks MQTT over TCP, TLS and WebSocket, not over QUIC; `mqtt pub` and `mqtt sub` do",
    "times of connecting are in every report: see `to CONNACK`, or `connecting` with --json",
    "there is one process and no cluster of nodes; start it on each machine, with --startnumber",
    "there is no garbage collector to call",
    "a message is sent again on a new connection only, as the standard says: see --reconnect",
    "rustls chooses among what is safe: TLS 1.3 and 1.2",
];

/// How fast all publishers together send.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RateArg {
    /// As fast as there is room.
    Max,
    /// So many in 1,000 seconds.
    Per1000S(u64),
}

/// Fields of a header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct HeaderArg {
    /// The number.
    pub(crate) number: bool,
    /// The time.
    pub(crate) time: bool,
}

/// Where lines go while it runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum LogTo {
    /// To stderr.
    Console,
    /// Nowhere.
    Null,
}

/// Where metrics are served.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Restapi(pub(crate) SocketAddr);

/// Fails with the sentence of this number.
pub(super) fn refuse<const N: usize>(_: &str) -> Result<String, String> {
    Err(REFUSALS.get(N).copied().unwrap_or_default().to_owned())
}

/// The name or address of a machine; the generator has flags for what an address in one has besides.
pub(super) fn host(text: &str) -> Result<String, String> {
    let is_port = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match (text.split_once("://"), text.split_once(':')) {
        (Some(("quic", _)), _) => refuse::<0>(text),
        (Some(_), _) => Err(
            "say the host alone: its port with -p, TLS with --ssl, a WebSocket with --ws"
                .to_owned(),
        ),
        (None, Some((_, port))) if is_port(port) => Err("say its port with -p".to_owned()),
        (None, _) if text.is_empty() => Err("say a host".to_owned()),
        (None, _) => Ok(text.to_owned()),
    }
}

/// A time; without a unit, in milliseconds.
pub(super) fn millis(text: &str) -> Result<Duration, String> {
    time(text, "ms")
}

/// A time; without a unit, in seconds.
pub(super) fn seconds(text: &str) -> Result<Duration, String> {
    time(text, "s")
}

fn time(text: &str, unit: &str) -> Result<Duration, String> {
    let wrong = || format!("say a time such as 500ms, 30s or 5m, or a number of {unit}");
    let digits = text
        .find(|char: char| !char.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, said) = text.split_at_checked(digits).ok_or_else(wrong)?;
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit_us = match if said.is_empty() { unit } else { said } {
        "us" => 1,
        "ms" => 1_000,
        "s" => 1_000_000,
        "m" => 60_000_000,
        "h" => 3_600_000_000,
        _ => return Err(wrong()),
    };
    number
        .checked_mul(unit_us)
        .map(Duration::from_micros)
        .ok_or_else(wrong)
}

/// A whole number.
pub(super) fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "say a whole number".to_owned())
}

/// Messages per second.
pub(super) fn rate(text: &str) -> Result<RateArg, String> {
    if text == "max" {
        return Ok(RateArg::Max);
    }
    let wrong = || "say a number of messages per second, such as 5000 or 0.5, or max".to_owned();
    let text = text.strip_suffix("/s").unwrap_or(text);
    let (whole, part) = text.split_once('.').unwrap_or((text, ""));
    let thousandths: u64 = match part.len() {
        0..=3 => format!("{part:0<3}").parse().map_err(|_| wrong())?,
        _ => return Err(wrong()),
    };
    let whole: u64 = whole.parse().map_err(|_| wrong())?;
    let per_1000_s = whole.checked_mul(1000).map(|whole| whole + thousandths);
    match per_1000_s {
        Some(rate @ 1..=1_000_000_000_000) => Ok(RateArg::Per1000S(rate)),
        _ => Err(wrong()),
    }
}

/// Fields of a header, with commas between.
pub(super) fn header(text: &str) -> Result<HeaderArg, String> {
    let mut fields = HeaderArg {
        number: false,
        time: false,
    };
    if text == "none" {
        return Ok(fields);
    }
    for field in text.split(',') {
        match field {
            "seq" | "cnt64" => fields.number = true,
            "ts" => fields.time = true,
            _ => {
                return Err("say seq (or cnt64), ts, both with a comma between, or none".to_owned());
            }
        }
    }
    Ok(fields)
}

/// A port of this machine, or an address with a port.
pub(super) fn restapi(text: &str) -> Result<Restapi, String> {
    let address = match text.parse::<u16>() {
        Ok(port) => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        Err(_) => text.parse(),
    };
    address
        .map(Restapi)
        .map_err(|_| "say a port, or an IP address and a port".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units_or_the_flag_has() {
        assert_eq!(millis("10"), Ok(Duration::from_millis(10)));
        assert_eq!(seconds("10"), Ok(Duration::from_secs(10)));
        assert_eq!(millis("2s"), Ok(Duration::from_secs(2)));
        assert_eq!(seconds("5m"), Ok(Duration::from_secs(300)));
        for text in ["", "s", "1x", "-1", "1.5s", "99999999999999999999"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn rates_have_three_places() {
        assert_eq!(rate("5000"), Ok(RateArg::Per1000S(5_000_000)));
        assert_eq!(rate("0.5/s"), Ok(RateArg::Per1000S(500)));
        assert_eq!(rate("max"), Ok(RateArg::Max));
        for text in ["", "0", "-1", "1.2345", "fast", "."] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn fields_go_by_either_name() {
        let both = HeaderArg {
            number: true,
            time: true,
        };
        assert_eq!(header("seq,ts"), Ok(both));
        assert_eq!(header("cnt64,ts"), Ok(both));
        assert!(header("none").is_ok_and(|fields| !fields.number && !fields.time));
        assert!(header("seq,x").is_err());
    }

    #[test]
    fn a_port_alone_is_one_of_this_machine() {
        assert_eq!(
            restapi("8090"),
            Ok(Restapi(SocketAddr::from(([127, 0, 0, 1], 8090))))
        );
        assert!(restapi("[::1]:80").is_ok());
        assert!(restapi("here").is_err());
    }
}
