//! `CertificateMaker`: what is to be made, and making it.

use crate::CertsError;
use crate::authority::Authority;
use crate::files::{self, Pair};
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyUsagePurpose, SanType};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// How long a certificate is good when nothing is set; some systems take no longer ones of servers. Unit: days.
const DAYS: u32 = 825;

/// The longest DNS name. Unit: bytes.
const HOST_LEN_MAX: usize = 253;

/// The longest Common Name. Unit: bytes.
const CLIENT_LEN_MAX: usize = 64;

/// What a server's certificate is good for in any case.
const LOCALHOST: &str = "localhost";
const LOOPBACK: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::LOCALHOST),
    IpAddr::V6(Ipv6Addr::LOCALHOST),
];

/// Makes certificates in a folder: an authority if there is none yet, the server's, clients'.
#[derive(Clone, Debug)]
#[must_use]
pub struct CertificateMaker {
    folder: PathBuf,
    hosts: Vec<SanType>,
    clients: Vec<String>,
    days: u32,
    replaces: bool,
}

/// What lies in the folder now.
#[derive(Clone, Debug)]
pub struct Made {
    /// The authority.
    pub authority: Pair,
    /// Whether it was made now.
    pub is_authority_new: bool,
    /// The server's certificate, if it was made now.
    pub server: Option<Issued>,
    /// The clients' certificates that were made now.
    pub clients: Vec<Issued>,
}

/// A certificate that was made.
#[derive(Clone, Debug)]
pub struct Issued {
    /// Its Common Name.
    pub name: String,
    /// Where it is.
    pub files: Pair,
}

impl CertificateMaker {
    /// For this folder: an authority and a server's certificate, unless they are there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            hosts: Vec::new(),
            clients: Vec::new(),
            days: DAYS,
            replaces: false,
        }
    }

    /// A name or address the server is reached by, besides `localhost`; the first is its Common Name.
    ///
    /// # Errors
    /// It is neither a DNS name nor an address.
    pub fn host(mut self, host: &str) -> Result<Self, CertsError> {
        let host = match host.parse() {
            Ok(address) => SanType::IpAddress(address),
            Err(_) => dns_name(host)?,
        };
        if !self.hosts.contains(&host) {
            self.hosts.push(host);
        }
        Ok(self)
    }

    /// A client to make a certificate for, by the name that becomes its Common Name.
    ///
    /// # Errors
    /// The name cannot be that of a file everywhere, or was given before.
    pub fn client(mut self, name: &str) -> Result<Self, CertsError> {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        let is_name = name.bytes().all(is_inner)
            && name.starts_with(|first: char| first.is_ascii_alphanumeric())
            && name.len() <= CLIENT_LEN_MAX;
        let name = name.to_owned();
        if !is_name {
            return Err(CertsError::Client { name });
        }
        // Some file systems do not tell upper from lower case.
        let mut others = self.clients.iter();
        if others.any(|other| other.eq_ignore_ascii_case(&name)) {
            return Err(CertsError::ClientTwice { name });
        }
        self.clients.push(name);
        Ok(self)
    }

    /// For how many days certificates are good, 825 if not set; an authority is good for ten years.
    pub const fn days(mut self, days: u32) -> Self {
        self.days = days;
        self
    }

    /// Replaces certificates that are there, except the authority's.
    pub const fn replacing(mut self) -> Self {
        self.replaces = true;
        self
    }

    /// Makes the files.
    ///
    /// The server's are left alone if they are there and only clients are asked for.
    ///
    /// # Errors
    /// A file would be replaced, which is found before any is written; the authority that is there is none; or a file
    /// cannot be written, in which case those before it stay.
    pub fn make(&self) -> Result<Made, CertsError> {
        let server = Pair::of(&self.folder, "server");
        let makes_server = self.replaces_server() || server.existing().is_none();
        let clients: Vec<_> = self
            .clients
            .iter()
            .map(|name| (name, self.files_of(name)))
            .collect();
        if !self.replaces {
            let server = makes_server.then_some(&server);
            let mut pairs = server
                .into_iter()
                .chain(clients.iter().map(|(_, pair)| pair));
            if let Some(path) = pairs.find_map(Pair::existing) {
                return Err(CertsError::AlreadyThere {
                    path: path.to_owned(),
                });
            }
        }
        files::make_folder(&self.folder)?;
        let files = Pair::of(&self.folder, "ca");
        let (authority, is_authority_new) = Authority::find_or_make(&files)?;
        let mut made = Made {
            authority: files,
            is_authority_new,
            server: None,
            clients: Vec::new(),
        };
        if makes_server {
            let params = self.server();
            let name = self
                .hosts
                .first()
                .map_or_else(|| LOCALHOST.to_owned(), host_text);
            let issued = self.issue(&authority, params, name, server)?;
            made.server = Some(issued);
        }
        for (name, files) in clients {
            let params = certificate(ExtendedKeyUsagePurpose::ClientAuth);
            let issued = self.issue(&authority, params, name.clone(), files)?;
            made.clients.push(issued);
        }
        Ok(made)
    }

    /// Whether a server's certificate is asked for, whatever is there.
    fn replaces_server(&self) -> bool {
        !self.hosts.is_empty() || self.clients.is_empty()
    }

    fn files_of(&self, client: &str) -> Pair {
        Pair::of(&self.folder, &format!("client-{client}"))
    }

    fn server(&self) -> CertificateParams {
        let mut params = certificate(ExtendedKeyUsagePurpose::ServerAuth);
        params.subject_alt_names.clone_from(&self.hosts);
        let local = rcgen::string::Ia5String::try_from(LOCALHOST).map(SanType::DnsName);
        let local = local.into_iter().chain(LOOPBACK.map(SanType::IpAddress));
        for host in local {
            if !params.subject_alt_names.contains(&host) {
                params.subject_alt_names.push(host);
            }
        }
        params
    }

    fn issue(
        &self,
        authority: &Authority,
        mut params: CertificateParams,
        name: String,
        files: Pair,
    ) -> Result<Issued, CertsError> {
        params
            .distinguished_name
            .push(DnType::CommonName, name.as_str());
        let (certificate, key) = authority.sign(params, self.days)?;
        files.write(&certificate.pem(), &key.serialize_pem(), self.replaces)?;
        Ok(Issued { name, files })
    }
}

fn certificate(purpose: ExtendedKeyUsagePurpose) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![purpose];
    params
}

fn dns_name(host: &str) -> Result<SanType, CertsError> {
    let wrong = || CertsError::Host {
        host: host.to_owned(),
    };
    let name = host.strip_prefix("*.").unwrap_or(host);
    let is_label = |label: &str| {
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > HOST_LEN_MAX || !name.split('.').all(is_label) {
        return Err(wrong());
    }
    let name = rcgen::string::Ia5String::try_from(host);
    name.map(SanType::DnsName).map_err(|_| wrong())
}

fn host_text(host: &SanType) -> String {
    match host {
        SanType::DnsName(name) => name.as_str().to_owned(),
        SanType::IpAddress(address) => address.to_string(),
        _ => LOCALHOST.to_owned(),
    }
}
