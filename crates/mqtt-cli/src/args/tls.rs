//! The flags of TLS.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use mqtt_client::{TlsCipher, TlsConfig, TlsError, TlsOptions};

/// Files of a directory of authorities, at most.
const AUTHORITIES_MAX: usize = 1000;

/// Whom to trust and what to show.
#[derive(clap::Args, Clone, Debug, Default)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Use TLS, with the system's authorities; so do port 8883 and the flags below
    #[arg(long, conflicts_with = "no_tls")]
    pub(crate) tls: bool,
    /// Do not use TLS, on port 8883 either
    #[arg(long)]
    pub(crate) no_tls: bool,
    /// Trust the authorities of this file (PEM or DER) instead of the system's
    #[arg(long, visible_alias = "ca", value_name = "FILE")]
    pub(crate) cafile: Option<PathBuf>,
    /// Trust the authorities of the files of this directory that end in .crt or .pem
    #[arg(long, value_name = "DIR")]
    pub(crate) capath: Option<PathBuf>,
    /// Trust the system's authorities, besides those of the flags above
    #[arg(long)]
    pub(crate) tls_use_os_certs: bool,
    /// Show this certificate (PEM or DER)
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key of --cert (PEM or DER, not encrypted)
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// What --key is: pem, and nothing else here
    #[arg(long, value_name = "KIND", requires = "key")]
    pub(crate) keyform: Option<String>,
    /// Show the certificate of this PKCS#12 file
    #[arg(long, value_name = "FILE", conflicts_with = "cert")]
    pub(crate) p12: Option<PathBuf>,
    /// The password of --p12, or @FILE or env:NAME which have it [default: none]
    #[arg(long, value_name = "PASSWORD", requires = "p12")]
    pub(crate) p12_password: Option<String>,
    /// Accept a certificate for any name; without --cafile and --capath any certificate at all
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Speak this version alone: tlsv1.2 or tlsv1.3 [default: both]
    #[arg(long, value_name = "VERSION", value_parser = tls_version)]
    pub(crate) tls_version: Option<TlsVersionArg>,
    /// Offer these cipher suites alone, by the names of OpenSSL or the standard, with colons between
    #[arg(long, value_name = "NAMES", value_parser = ciphers)]
    pub(crate) ciphers: Option<CiphersArg>,
    /// Ask for this protocol by ALPN, as in x-amzn-mqtt-ca
    #[arg(long, visible_alias = "alpn", value_name = "PROTOCOL")]
    pub(crate) tls_alpn: Option<String>,
    /// Append the secrets of the connection to this file, so that Wireshark can read it
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_keylog: Option<PathBuf>,
    /// Refused: there are no pre-shared keys here
    #[arg(long, value_name = "KEY", hide = true, value_parser = no_psk)]
    psk: Option<String>,
    /// Refused: there are no pre-shared keys here
    #[arg(long, value_name = "IDENTITY", hide = true, value_parser = no_psk)]
    psk_identity: Option<String>,
    /// Refused: there is no OpenSSL here
    #[arg(long, value_name = "ENGINE", hide = true, value_parser = no_engine)]
    tls_engine: Option<String>,
    /// Refused: there is no OpenSSL here
    #[arg(long, value_name = "SHA1", hide = true, value_parser = no_engine)]
    tls_engine_kpass_sha1: Option<String>,
}

/// Cipher suites in their order.
#[derive(Clone, Debug)]
pub(crate) struct CiphersArg(Vec<TlsCipher>);

/// One version alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TlsVersionArg {
    /// TLS 1.2.
    V12,
    /// TLS 1.3.
    V13,
}

/// What is wrong with the flags of TLS.
#[derive(Debug)]
pub(crate) enum TlsArgsError {
    /// Certificates and keys.
    Tls(TlsError),
    /// A directory of authorities.
    Capath { path: PathBuf, source: io::Error },
    /// A sentence.
    Says(String),
}

impl std::fmt::Display for TlsArgsError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tls(error) => write!(f, "{error}"),
            Self::Capath { path, source } => {
                write!(f, "--capath {}: {source}", path.display())
            }
            Self::Says(sentence) => f.write_str(sentence),
        }
    }
}

impl From<TlsError> for TlsArgsError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl TlsArgs {
    /// Whether they ask for TLS: any flag does but those that only say how.
    pub(crate) const fn asks(&self) -> bool {
        self.tls || self.has_settings()
    }

    /// What is decided; none when nothing is said.
    pub(crate) fn config(&self) -> Result<Option<TlsConfig>, TlsArgsError> {
        match self.has_settings() {
            true => Ok(Some(self.options()?.build()?)),
            false => Ok(None),
        }
    }

    /// What the user should know about what `--insecure` gives away.
    pub(crate) const fn warning(&self) -> Option<&'static str> {
        match (self.insecure, self.has_authorities()) {
            (false, _) => None,
            (true, true) => Some("--insecure: the name in the broker's certificate is not checked"),
            (true, false) => Some(
                "--insecure: the broker's certificate is not checked, anyone may read and change what is sent",
            ),
        }
    }

    const fn has_authorities(&self) -> bool {
        self.cafile.is_some() || self.capath.is_some() || self.tls_use_os_certs
    }

    const fn has_settings(&self) -> bool {
        self.has_authorities()
            || self.cert.is_some()
            || self.p12.is_some()
            || self.insecure
            || self.tls_alpn.is_some()
            || self.tls_version.is_some()
            || self.ciphers.is_some()
            || self.tls_keylog.is_some()
    }

    fn options(&self) -> Result<TlsOptions, TlsArgsError> {
        let mut options = TlsOptions::new();
        if let Some(path) = &self.cafile {
            options = options.ca_file(path)?;
        }
        if let Some(path) = &self.capath {
            for file in authorities_of(path)? {
                options = options.ca_file(file)?;
            }
        }
        if self.tls_use_os_certs {
            options = options.platform_roots();
        }
        if let Some(kind) = self.keyform.as_ref().filter(|kind| *kind != "pem") {
            return Err(TlsArgsError::Says(format!(
                "--keyform {kind}: keys are in files here, there is no OpenSSL and none of its engines"
            )));
        }
        if let (Some(certificate), Some(key)) = (&self.cert, &self.key) {
            options = options.identity_files(certificate, key)?;
        }
        if let Some(path) = &self.p12 {
            let password = match &self.p12_password {
                Some(text) => super::secret::read(text).map_err(TlsArgsError::Says)?,
                None => Default::default(),
            };
            options = options.identity_pkcs12_file(path, &password)?;
        }
        if let Some(protocol) = &self.tls_alpn {
            options = options.alpn([protocol]);
        }
        options = match self.tls_version {
            None => options,
            Some(TlsVersionArg::V12) => options.only_tls12(),
            Some(TlsVersionArg::V13) => options.only_tls13(),
        };
        if let Some(CiphersArg(ciphers)) = &self.ciphers {
            options = options.ciphers(ciphers.iter().copied());
        }
        if let Some(path) = &self.tls_keylog {
            options = options.danger_log_keys(path)?;
        }
        Ok(match (self.insecure, self.has_authorities()) {
            (false, _) => options,
            (true, true) => options.danger_accept_any_name(),
            (true, false) => options.danger_accept_any_certificate(),
        })
    }
}

/// The certificates of a directory, by name.
fn authorities_of(path: &Path) -> Result<Vec<PathBuf>, TlsArgsError> {
    let failed = |source| TlsArgsError::Capath {
        path: path.to_owned(),
        source,
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let file = entry.map_err(failed)?.path();
        let extension = file.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("crt" | "pem" | "cer" | "der")) {
            files.push(file);
        }
    }
    files.sort();
    match files.len() {
        0 => Err(failed(io::Error::other(
            "no file there ends in .crt or .pem",
        ))),
        len if len > AUTHORITIES_MAX => Err(failed(io::Error::other("too many files"))),
        _ => Ok(files),
    }
}

fn tls_version(text: &str) -> Result<TlsVersionArg, String> {
    match text {
        "tlsv1.2" | "1.2" => Ok(TlsVersionArg::V12),
        "tlsv1.3" | "1.3" => Ok(TlsVersionArg::V13),
        "tlsv1" | "tlsv1.0" | "tlsv1.1" => {
            Err("nothing older than TLS 1.2 is spoken here, say tlsv1.2 or tlsv1.3".to_owned())
        }
        _ => Err("say tlsv1.2 or tlsv1.3".to_owned()),
    }
}

fn ciphers(text: &str) -> Result<CiphersArg, String> {
    let names = text.split([':', ',', ' ']).filter(|name| !name.is_empty());
    let ciphers = names.map(|name| {
        TlsCipher::from_name(name).ok_or_else(|| {
            let known: Vec<_> = TlsCipher::names().collect();
            format!("there is no {name}, only {}", known.join(":"))
        })
    });
    ciphers.collect::<Result<_, _>>().map(CiphersArg)
}

fn no_psk(_: &str) -> Result<String, String> {
    Err("TLS is rustls here, which has no pre-shared keys; use certificates".to_owned())
}

fn no_engine(_: &str) -> Result<String, String> {
    Err("TLS is rustls here, which has no engines of OpenSSL; keys are in files".to_owned())
}
