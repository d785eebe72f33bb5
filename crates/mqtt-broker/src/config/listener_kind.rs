//! Kinds of values that keys of listeners have.

use super::Bind;
use super::kind::{FilePath, Kind, integer};
use super::listener::{AccessRule, network};
use ipnet::IpNet;
use mqtt_io::TlsCipher;
use toml::de::DeValue;

/// The same, and a single value stands for a list of one.
pub(super) struct OneOrEach<K>(pub(super) K);

/// A place to listen: text or a bare port.
pub(super) struct Place;

/// The place of a unix socket.
pub(super) struct SocketPath;

/// The path in a URL.
pub(super) struct UrlPath;

/// Access rights in octal digits.
pub(super) struct Mode;

/// An address or a network of them.
pub(super) struct Network;

/// A rule for addresses.
pub(super) struct Rule;

/// A cipher suite of TLS.
pub(super) struct Cipher;

impl Kind<Bind> for Place {
    fn read(&self, value: &DeValue<'_>) -> Option<Bind> {
        match value {
            DeValue::Integer(port) => Some(Bind::AllAddresses(u16::try_from(integer(port)?).ok()?)),
            value => value.as_str()?.parse().ok(),
        }
    }

    fn allowed(&self) -> String {
        Bind::ALLOWED.to_owned()
    }

    fn type_name(&self) -> &'static str {
        "place"
    }

    fn range(&self) -> String {
        String::new()
    }

    fn show(&self, value: &Bind) -> String {
        match value {
            Bind::AllAddresses(port) => port.to_string(),
            other => format!("\"{other}\""),
        }
    }
}

impl Kind<Bind> for SocketPath {
    fn read(&self, value: &DeValue<'_>) -> Option<Bind> {
        FilePath.read(value).map(Bind::Path)
    }

    fn allowed(&self) -> String {
        "the path of the socket, as a string".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        String::new()
    }

    fn show(&self, _: &Bind) -> String {
        String::new()
    }
}

impl Kind<String> for UrlPath {
    fn read(&self, value: &DeValue<'_>) -> Option<String> {
        let is_path = |path: &&str| {
            path.starts_with('/')
                && path
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'?' && byte != b'#')
        };
        value.as_str().filter(is_path).map(str::to_owned)
    }

    fn allowed(&self) -> String {
        "a path such as \"/mqtt\"".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        String::new()
    }

    fn show(&self, value: &String) -> String {
        format!("{value:?}")
    }
}

impl Kind<u32> for Mode {
    fn read(&self, value: &DeValue<'_>) -> Option<u32> {
        let digits = value.as_str()?;
        let mode = u32::from_str_radix(digits, 8).ok()?;
        let is_octal = digits.bytes().all(|byte| byte.is_ascii_digit());
        (is_octal && mode <= 0o777).then_some(mode)
    }

    fn allowed(&self) -> String {
        "access rights in octal digits such as \"0660\"".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        "`0000` to `0777`".to_owned()
    }

    fn show(&self, value: &u32) -> String {
        format!("\"{value:04o}\"")
    }
}

impl Kind<IpNet> for Network {
    fn read(&self, value: &DeValue<'_>) -> Option<IpNet> {
        network(value.as_str()?)
    }

    fn allowed(&self) -> String {
        "an address such as \"192.0.2.7\" or a network such as \"10.0.0.0/8\"".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "network"
    }

    fn range(&self) -> String {
        String::new()
    }

    fn show(&self, value: &IpNet) -> String {
        format!("\"{value}\"")
    }
}

impl Kind<AccessRule> for Rule {
    fn read(&self, value: &DeValue<'_>) -> Option<AccessRule> {
        value.as_str()?.parse().ok()
    }

    fn allowed(&self) -> String {
        "a rule such as \"allow 10.0.0.0/8\" or \"deny all\"".to_owned()
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        "`allow` or `deny`, and an address, a network or `all`".to_owned()
    }

    fn show(&self, value: &AccessRule) -> String {
        format!("\"{value}\"")
    }
}

impl Kind<TlsCipher> for Cipher {
    fn read(&self, value: &DeValue<'_>) -> Option<TlsCipher> {
        TlsCipher::from_name(value.as_str()?)
    }

    fn allowed(&self) -> String {
        let names: Vec<_> = TlsCipher::names().collect();
        format!("one of {}", names.join(", "))
    }

    fn type_name(&self) -> &'static str {
        "text"
    }

    fn range(&self) -> String {
        let names: Vec<_> = TlsCipher::names().map(|name| format!("`{name}`")).collect();
        format!("of {}", names.join(", "))
    }

    fn show(&self, value: &TlsCipher) -> String {
        format!("\"{}\"", value.name())
    }
}

impl<T, K: Kind<T>> Kind<Vec<T>> for OneOrEach<K> {
    fn read(&self, value: &DeValue<'_>) -> Option<Vec<T>> {
        match value.as_array() {
            Some(values) => {
                let values = values.iter();
                values.map(|value| self.0.read(value.get_ref())).collect()
            }
            None => self.0.read(value).map(|value| vec![value]),
        }
    }

    fn allowed(&self) -> String {
        format!("{}, or a list of such", self.0.allowed())
    }

    fn type_name(&self) -> &'static str {
        "list"
    }

    fn range(&self) -> String {
        self.0.range()
    }

    fn show(&self, value: &Vec<T>) -> String {
        let values: Vec<_> = value.iter().map(|value| self.0.show(value)).collect();
        format!("[{}]", values.join(", "))
    }
}
