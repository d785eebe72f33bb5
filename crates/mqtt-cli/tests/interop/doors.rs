//! The ways into our broker, and what a client needs for each.

use mqtt_certs::CertificateMaker;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// A way into a broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Door {
    Tcp,
    Ssl,
    /// TLS with a certificate on both sides.
    Mutual,
    Ws,
    Wss,
    #[cfg(unix)]
    Unix,
    Quic,
}

impl Door {
    /// The kind of listener.
    const fn kind(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Ssl | Self::Mutual => "ssl",
            Self::Ws => "ws",
            Self::Wss => "wss",
            #[cfg(unix)]
            Self::Unix => "unix",
            Self::Quic => "quic",
        }
    }

    /// Whether a server's certificate is shown.
    pub(crate) const fn has_tls(self) -> bool {
        matches!(self, Self::Ssl | Self::Mutual | Self::Wss | Self::Quic)
    }

    /// Whether it has an address.
    pub(crate) fn has_address(self) -> bool {
        self.kind() != "unix"
    }
}

/// The way to a running broker.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) door: Door,
    /// Without meaning where there is none.
    pub(crate) addr: SocketAddr,
    /// Where certificates and socket are.
    folder: PathBuf,
}

/// The client that has a certificate.
const CLIENT: &str = "tester";

impl Way {
    /// By TCP.
    pub(crate) fn tcp(addr: SocketAddr) -> Self {
        Self {
            door: Door::Tcp,
            addr,
            folder: PathBuf::new(),
        }
    }

    /// To a broker whose files are in `folder`.
    pub(crate) fn new(door: Door, addr: SocketAddr, folder: &Path) -> Self {
        Self {
            door,
            addr,
            folder: folder.to_owned(),
        }
    }

    /// The authority of the server's certificate, where there is one.
    pub(crate) fn authority(&self) -> Option<String> {
        self.door.has_tls().then(|| self.file("ca.pem"))
    }

    /// The client's certificate and its key, where it needs one.
    pub(crate) fn identity(&self) -> Option<(String, String)> {
        let file = |ending: &str| self.file(&format!("client-{CLIENT}.{ending}"));
        (self.door == Door::Mutual).then(|| (file("pem"), file("key")))
    }

    /// The path of the socket, where there is one.
    pub(crate) fn socket(&self) -> Option<String> {
        (!self.door.has_address()).then(|| socket_in(&self.folder))
    }

    /// The address as our client has it.
    pub(crate) fn url(&self) -> String {
        let scheme = match self.door.kind() {
            "tcp" => "mqtt",
            "ssl" => "mqtts",
            kind => kind,
        };
        match self.socket() {
            Some(path) => format!("{scheme}://{path}"),
            None => format!("{scheme}://{}", self.addr),
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

/// The configuration of a broker with one door, and in `folder` what that needs; `more` is added to the listener.
pub(crate) fn configuration(door: Door, folder: &Path, more: &str) -> String {
    let kind = door.kind();
    let bind = match door.has_address() {
        true => "127.0.0.1:0".to_owned(),
        false => socket_in(folder),
    };
    let mut text = format!("[listeners.{kind}.default]\nbind = '{bind}'\n{more}\n");
    if door.has_tls() {
        let maker = CertificateMaker::new(folder).client(CLIENT).unwrap();
        maker.make().unwrap();
        let at = |name: &str| folder.join(name).display().to_string();
        text += &format!(
            "[listeners.{kind}.default.ssl_options]\ncertfile = '{}'\nkeyfile = '{}'\n",
            at("server.pem"),
            at("server.key")
        );
        if door == Door::Mutual {
            text += &format!(
                "cacertfile = '{}'\nverify = \"verify_peer\"\n",
                at("ca.pem")
            );
            text += "fail_if_no_peer_cert = true\n";
        }
    }
    text
}

fn socket_in(folder: &Path) -> String {
    folder.join("socket").display().to_string()
}
