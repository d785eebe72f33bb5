//! The certificates of TLS listeners: read, watched, read again, and warned of before they expire.

use super::accept::Door;
use super::listeners::Listeners;
use crate::config::{Config, Tls, Verify};
use mqtt_io::{
    ClientCertificates, PeerCertificate, TlsAcceptor, TlsError, TlsIdentity, TlsServerOptions,
};
use parking_lot::{Mutex, RwLock};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};
use tokio::time::MissedTickBehavior;

/// How often files are looked at.
const WATCH_PERIOD: Duration = Duration::from_secs(2);

/// How often a certificate that expires is warned of, in looks at the files.
const LOOKS_PER_WARNING: u32 = 1800;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Days before its end from which on a certificate is warned of.
const WARN_DAYS: u64 = 30;

/// Why a listener's certificates cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("listener `{listener}`: `{key}`: {source}")]
pub struct CertificateError {
    /// The listener's kind and name.
    pub listener: Box<str>,
    /// The key within the listener.
    pub key: Box<str>,
    /// What is wrong.
    pub source: TlsError,
}

/// A certificate that a listener shows.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct CertificateState {
    /// The listener's kind and name.
    pub listener: Arc<str>,
    /// The file it was read from.
    pub file: PathBuf,
    /// What it says.
    pub certificate: PeerCertificate,
}

impl CertificateState {
    /// How long it is good for, from `now` on; zero when it is no longer.
    pub fn left(&self, now: SystemTime) -> Duration {
        let not_after = self.certificate.not_after;
        let left = not_after.and_then(|not_after| not_after.duration_since(now).ok());
        left.unwrap_or_default()
    }

    /// How urgent it is to replace it at `now`; none while it is not.
    fn urgency(&self, now: SystemTime) -> Option<Urgency> {
        let left = self.left(now);
        let days = left.as_secs() / DAY.as_secs();
        match left.is_zero() {
            true => Some(Urgency::Expired),
            false => (days < WARN_DAYS).then_some(Urgency::Days(days)),
        }
    }
}

/// How urgent it is to replace a certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Urgency {
    /// It is not good any more.
    Expired,
    /// So many whole days are left, fewer than [`WARN_DAYS`].
    Days(u64),
}

/// What a TLS listener shows and accepts; can be exchanged while it listens.
#[derive(Debug)]
pub(crate) struct TlsDoor {
    listener: Arc<str>,
    acceptor: RwLock<TlsAcceptor>,
    loaded: Mutex<Loaded>,
    failed: AtomicU64,
}

/// What was read and is not yet in force.
pub(crate) struct Fresh {
    acceptor: TlsAcceptor,
    loaded: Loaded,
}

#[derive(Debug)]
struct Loaded {
    settings: Tls,
    /// How the files looked when they were read last, whatever came of it.
    stamps: Vec<Option<Stamp>>,
    states: Vec<CertificateState>,
}

/// What shows that a file is another one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Stamp {
    modified: SystemTime,
    len: u64,
}

impl TlsDoor {
    pub(crate) fn load(listener: Arc<str>, settings: &Tls) -> Result<Self, CertificateError> {
        let stamps = stamps(settings);
        let (acceptor, states) = load(&listener, settings)?;
        Ok(Self {
            listener,
            acceptor: RwLock::new(acceptor),
            loaded: Mutex::new(Loaded {
                settings: settings.clone(),
                stamps,
                states,
            }),
            failed: AtomicU64::new(0),
        })
    }

    /// For the next handshake.
    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        self.acceptor.read().clone()
    }

    pub(crate) fn states(&self) -> Vec<CertificateState> {
        self.loaded.lock().states.clone()
    }

    /// How often a changed file could not be used.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Reads the files, with other settings if need be; puts nothing in force.
    pub(crate) fn read(&self, settings: &Tls) -> Result<Fresh, CertificateError> {
        // Whatever changes from here on is seen by the next look.
        let stamps = stamps(settings);
        let (acceptor, states) = load(&self.listener, settings)?;
        let settings = settings.clone();
        Ok(Fresh {
            acceptor,
            loaded: Loaded {
                settings,
                stamps,
                states,
            },
        })
    }

    /// For the next handshake.
    pub(crate) fn put(&self, fresh: Fresh) {
        let mut loaded = self.loaded.lock();
        *loaded = fresh.loaded;
        *self.acceptor.write() = fresh.acceptor;
    }

    /// Reads the files again if one of them has changed.
    fn look(&self) {
        let settings = {
            let mut loaded = self.loaded.lock();
            let now = stamps(&loaded.settings);
            if now == loaded.stamps {
                return;
            }
            // What cannot be used is not read again before it has changed again.
            loaded.stamps = now;
            loaded.settings.clone()
        };
        match self.read(&settings) {
            Ok(fresh) => {
                let mut loaded = self.loaded.lock();
                if loaded.settings != settings {
                    // A reload was faster, and has read what there is.
                    return;
                }
                *loaded = fresh.loaded;
                *self.acceptor.write() = fresh.acceptor;
                drop(loaded);
                tracing::info!(listener = &*self.listener, "certificates read again");
                self.warn(SystemTime::now());
            }
            Err(error) => {
                self.failed.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(%error, "a changed file cannot be used, what was read before stays in force");
            }
        }
    }

    /// Warns of certificates that have little time left.
    fn warn(&self, now: SystemTime) {
        for state in self.states() {
            let (listener, file) = (&*state.listener, state.file.display());
            match state.urgency(now) {
                None => {}
                Some(Urgency::Expired) => {
                    tracing::error!(listener, %file, "a certificate has expired, clients refuse it");
                }
                Some(Urgency::Days(0)) => {
                    tracing::error!(listener, %file, "a certificate expires within a day");
                }
                Some(Urgency::Days(days)) => {
                    tracing::warn!(listener, %file, days, "a certificate expires soon");
                }
            }
        }
    }
}

/// Looks at the files of all TLS listeners until it is dropped.
pub(crate) async fn watch(listeners: Arc<Listeners>) {
    let mut ticks = tokio::time::interval(WATCH_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut looks = 0;
    loop {
        ticks.tick().await;
        if looks == 0 {
            let now = SystemTime::now();
            listeners.tls().iter().for_each(|door| door.warn(now));
        }
        looks = (looks + 1) % LOOKS_PER_WARNING;
        for door in listeners.tls() {
            // A file system can be slow.
            let _ = tokio::task::spawn_blocking(move || door.look()).await;
        }
    }
}

impl Config {
    /// Reads the certificates of all listeners, to see whether they can be used.
    ///
    /// # Errors
    /// The first that cannot, with listener, key and file.
    pub fn check_certificates(&self) -> Result<(), CertificateError> {
        let listeners = self.listeners.iter();
        for (name, listener) in listeners.filter(|(_, listener)| listener.kind.has_tls()) {
            load(&Arc::from(name.as_str()), &listener.tls)?;
        }
        Ok(())
    }
}

impl Door {
    /// Whether a certificate that was accepted, perhaps a while ago in a session that goes on, is still good.
    pub(super) fn is_current(certificate: &PeerCertificate) -> bool {
        let not_after = certificate.not_after;
        not_after.is_none_or(|not_after| SystemTime::now() <= not_after)
    }
}

fn stamps(settings: &Tls) -> Vec<Option<Stamp>> {
    let identities: Vec<_> = settings.identities().collect();
    let of_identities = identities
        .iter()
        .flat_map(|files| [&files.certfile, &files.keyfile]);
    let of_clients = settings.cacertfile.iter().chain(&settings.crlfile);
    of_identities
        .chain(of_clients)
        .map(|path| stamp(path))
        .collect()
}

fn stamp(path: &Path) -> Option<Stamp> {
    let file = fs::metadata(path).ok()?;
    Some(Stamp {
        modified: file.modified().ok()?,
        len: file.len(),
    })
}

fn load(
    listener: &Arc<str>,
    settings: &Tls,
) -> Result<(TlsAcceptor, Vec<CertificateState>), CertificateError> {
    let at = |key: &str| {
        let (listener, key) = (Box::from(&**listener), Box::from(key));
        move |source| CertificateError {
            listener,
            key,
            source,
        }
    };
    let mut options = TlsServerOptions::new()
        .versions(settings.versions.iter().copied())
        .ciphers(settings.ciphers.iter().copied())
        .sessions(settings.session_cache);
    let mut states = Vec::new();
    let not_in_list = usize::from(settings.certfile.is_some());
    for (place, files) in settings.identities().enumerate() {
        let table = match place.checked_sub(not_in_list) {
            Some(index) => format!("ssl_options.certificates[{index}]"),
            None => "ssl_options".to_owned(),
        };
        let certificate = TlsIdentity::certificate_file(&files.certfile);
        let certificate = certificate.map_err(at(&format!("{table}.certfile")))?;
        let identity = match &settings.password {
            Some(password) => certificate.key_file_with_password(&files.keyfile, password.expose()),
            None => certificate.key_file(&files.keyfile),
        };
        let identity = identity.map_err(at(&format!("{table}.keyfile")))?;
        if let Some(certificate) = identity.describe() {
            states.push(CertificateState {
                listener: Arc::clone(listener),
                file: files.certfile,
                certificate,
            });
        }
        options = options.identity(identity);
    }
    if settings.verify == Verify::Peer {
        options = options.client_certificates(match settings.fail_if_no_peer_cert {
            true => ClientCertificates::Required,
            false => ClientCertificates::Optional,
        });
        if let Some(file) = &settings.cacertfile {
            options = options
                .client_ca_file(file)
                .map_err(at("ssl_options.cacertfile"))?;
        }
        for file in &settings.crlfile {
            options = options.crl_file(file).map_err(at("ssl_options.crlfile"))?;
        }
    }
    let acceptor = options.build().map_err(at("ssl_options"))?;
    Ok((acceptor, states))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    /// Time is given: nobody waits for it.
    #[test]
    fn a_certificate_is_more_urgent_the_less_time_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("server.pem");
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(2040, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(&file, certificate.pem() + &key.serialize_pem()).unwrap();
        let settings = Tls {
            certfile: Some(file.clone()),
            keyfile: Some(file),
            ..Tls::default()
        };
        let door = TlsDoor::load("ssl:door".into(), &settings).unwrap();
        let state = door.states().remove(0);
        let end = state.certificate.not_after.unwrap();
        let second = Duration::from_secs(1);
        for (now, urgency) in [
            (end - DAY * 31, None),
            (end - DAY * 30, None),
            (end - DAY * 30 + second, Some(Urgency::Days(29))),
            (end - DAY * 7, Some(Urgency::Days(7))),
            (end - DAY + second, Some(Urgency::Days(0))),
            (end - second, Some(Urgency::Days(0))),
            (end, Some(Urgency::Expired)),
            (end + DAY, Some(Urgency::Expired)),
        ] {
            assert_eq!(state.urgency(now), urgency, "{now:?}");
            door.warn(now);
        }
    }
}
