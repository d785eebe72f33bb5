//! Values of EMQX as this broker writes them.

use super::keys::Form;
use crate::hocon::{Node, Value};
use crate::toml_text::{list, quoted};

/// The most a count of things in memory can be set to.
const COUNT_MAX: &str = "1000000000";

/// A value in TOML; none if it is not of this form.
pub(super) fn converted(value: &Value, form: Form) -> Option<String> {
    if let (Form::Texts, Node::List(texts)) = (form, &value.node) {
        let texts: Option<Vec<&str>> = texts.iter().map(Value::text).collect();
        return texts.map(list);
    }
    if form == Form::Table {
        return table(value);
    }
    let text = value.text()?;
    let is_infinity = matches!(text, "infinity" | "disabled");
    match form {
        Form::Flag => flag(text).map(|flag| flag.to_string()),
        Form::Number => number(text),
        Form::Count if is_infinity || text == "0" => Some(COUNT_MAX.to_owned()),
        Form::Count => number(text),
        Form::NumberOrInfinity | Form::Seconds | Form::Rate if is_infinity => {
            Some("\"infinity\"".to_owned())
        }
        Form::NumberOrInfinity => number(text),
        Form::Time if is_infinity => Some("\"disabled\"".to_owned()),
        Form::Time => milliseconds(text).map(time),
        Form::Seconds => milliseconds(text).map(|ms| ms.div_ceil(1000).to_string()),
        Form::Size => size(text),
        Form::Rate => rate(text),
        Form::Text => Some(quoted(text)),
        Form::File => (!text.contains("-----BEGIN")).then(|| quoted(text)),
        Form::SecondsTime => match text.parse::<u64>() {
            Ok(seconds) => Some(time(seconds.saturating_mul(1000))),
            Err(_) => milliseconds(text).map(time),
        },
        Form::Table => None,
        Form::Texts => Some(list(
            text.split(',')
                .map(str::trim)
                .filter(|text| !text.is_empty()),
        )),
        Form::Level => Some(quoted(level(text)?)),
        Form::Strategy => Some(quoted(strategy(text)?)),
        Form::CertificateField => {
            let is_known = matches!(text, "disabled" | "cn" | "dn");
            is_known.then(|| quoted(text))
        }
    }
}

/// Texts by name, or a list of `{name, expected_value}` as EMQX has had claims.
fn table(value: &Value) -> Option<String> {
    let mut pairs = Vec::new();
    let mut add = |key: &str, value: &Value| {
        pairs.push(format!("{} = {}", quoted(key), quoted(value.text()?)));
        Some(())
    };
    match &value.node {
        Node::Object(fields) => {
            for (key, value) in fields {
                add(key, value)?;
            }
        }
        Node::List(list) => {
            for one in list {
                let name = one.at(&["name"]).and_then(Value::text)?;
                add(name, one.at(&["expected_value"])?)?;
            }
        }
        _ => return None,
    }
    Some(format!("{{ {} }}", pairs.join(", ")))
}

pub(super) fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "on" => Some(true),
        "false" | "off" => Some(false),
        _ => None,
    }
}

fn number(text: &str) -> Option<String> {
    text.parse::<u64>().ok().map(|number| number.to_string())
}

/// `15s`, `1h30m`, or a bare number of milliseconds.
fn milliseconds(text: &str) -> Option<u64> {
    if let Ok(ms) = text.parse() {
        return Some(ms);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (count, behind) = rest.split_at_checked(digits)?;
        let letters = behind
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(behind.len());
        let (unit, behind) = behind.split_at_checked(letters)?;
        let unit = match unit.trim() {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            "d" => 24 * 60 * 60 * 1000,
            "w" => 7 * 24 * 60 * 60 * 1000,
            _ => return None,
        };
        total = total.checked_add(count.parse::<u64>().ok()?.checked_mul(unit)?)?;
        rest = behind;
    }
    (!text.is_empty()).then_some(total)
}

/// In the largest unit that divides it.
fn time(ms: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
    ];
    let found = UNITS
        .iter()
        .find(|(unit, _)| ms > 0 && ms.is_multiple_of(*unit));
    match found {
        Some((unit, name)) => quoted(&format!("{}{name}", ms / unit)),
        None => quoted(&format!("{ms}ms")),
    }
}

/// `1MB`, `512KB`, or a bare number of bytes.
fn size(text: &str) -> Option<String> {
    let upper = text.to_ascii_uppercase();
    let digits = upper
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(upper.len());
    let (count, unit) = upper.split_at_checked(digits)?;
    let count: u64 = count.parse().ok()?;
    match unit.trim() {
        "" | "B" => Some(count.to_string()),
        "KB" | "MB" | "GB" => Some(quoted(&format!("{count}{}", unit.trim()))),
        _ => None,
    }
}

/// `1000/s`, `1MB/10s`.
fn rate(text: &str) -> Option<String> {
    let (count, per) = text.split_once('/')?;
    let count = size(count.trim())?;
    let per = per.trim();
    let per = match per.starts_with(|c: char| c.is_ascii_digit()) {
        true => per.to_owned(),
        false => format!("1{per}"),
    };
    let ms = milliseconds(&per)?;
    let count = count.trim_matches('"');
    let per = time(ms);
    let per = per.trim_matches('"');
    let per = per
        .strip_prefix('1')
        .filter(|rest| !rest.starts_with(|c: char| c.is_ascii_digit()))
        .unwrap_or(per);
    Some(quoted(&format!("{count}/{per}")))
}

fn level(text: &str) -> Option<&'static str> {
    Some(match text {
        "debug" | "all" => "debug",
        "info" | "notice" => "info",
        "warning" => "warn",
        "error" | "critical" | "alert" | "emergency" | "none" => "error",
        _ => return None,
    })
}

fn strategy(text: &str) -> Option<&'static str> {
    Some(match text {
        "round_robin" => "round_robin",
        "random" => "random",
        "sticky" => "sticky",
        "hash_clientid" => "hash_clientid",
        "hash_topic" => "hash_topic",
        _ => return None,
    })
}

/// An address and a port, as this broker writes a place: `0.0.0.0:1883`, `[::]:1883`, or the port alone.
pub(super) fn place(text: &str) -> Option<String> {
    if text.parse::<u16>().is_ok() {
        return Some(text.to_owned());
    }
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some(match host {
        "" | "*" => port.to_string(),
        "localhost" => quoted(&format!("localhost:{port}")),
        host if host.contains(':') => {
            let addr: std::net::Ipv6Addr = host.parse().ok()?;
            quoted(&format!("[{addr}]:{port}"))
        }
        host => {
            let addr: std::net::Ipv4Addr = host.parse().ok()?;
            quoted(&format!("{addr}:{port}"))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn converts(text: &str, form: Form) -> Option<String> {
        let value = Value {
            line: 1,
            node: Node::Text(text.to_owned()),
        };
        converted(&value, form)
    }

    #[test]
    fn values_have_one_form_here() {
        for (text, form, expected) in [
            ("15s", Form::Time, Some("\"15s\"")),
            ("1h30m", Form::Time, Some("\"90m\"")),
            ("500", Form::Time, Some("\"500ms\"")),
            ("0", Form::Time, Some("\"0ms\"")),
            ("2h", Form::Seconds, Some("7200")),
            ("infinity", Form::Seconds, Some("\"infinity\"")),
            ("1MB", Form::Size, Some("\"1MB\"")),
            ("10mb", Form::Size, Some("\"10MB\"")),
            ("1024", Form::Size, Some("1024")),
            ("1000/s", Form::Rate, Some("\"1000/s\"")),
            ("1MB/10s", Form::Rate, Some("\"1MB/10s\"")),
            ("infinity", Form::Count, Some("1000000000")),
            ("a, b", Form::Texts, Some("[\"a\", \"b\"]")),
            ("warning", Form::Level, Some("\"warn\"")),
            ("local", Form::Strategy, None),
            ("md5", Form::CertificateField, None),
            ("soon", Form::Time, None),
            ("99999999999999999999s", Form::Time, None),
        ] {
            assert_eq!(converts(text, form).as_deref(), expected, "{text}");
        }
        for (text, expected) in [
            ("1883", Some("1883")),
            ("0.0.0.0:1883", Some("\"0.0.0.0:1883\"")),
            (":::1883", Some("\"[::]:1883\"")),
            ("[::1]:1883", Some("\"[::1]:1883\"")),
            ("host:1883", None),
        ] {
            assert_eq!(place(text).as_deref(), expected, "{text}");
        }
    }
}
