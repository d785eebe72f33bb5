//! The one that signs: new, or found in its files.

use crate::files::{self, Pair};
use crate::{CertificateFile, CertsError};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    PublicKeyData,
};
use std::time::{Duration, SystemTime};

/// How long an authority is good: ten years.
const DAYS: u32 = 3650;

/// Clocks that are behind find a new certificate good all the same.
const BEFORE: Duration = DAY;

/// A day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// One that signs.
pub(crate) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    not_after: SystemTime,
}

impl Authority {
    /// The one in these files, or a new one; and whether it is new.
    pub(crate) fn find_or_make(files: &Pair) -> Result<(Self, bool), CertsError> {
        let half = |found: &std::path::Path, missing: &std::path::Path| {
            Err(CertsError::HalfAnAuthority {
                found: found.to_owned(),
                missing: missing.to_owned(),
            })
        };
        match (files.certificate.exists(), files.key.exists()) {
            (true, true) => Ok((Self::read(files)?, false)),
            (false, false) => Ok((Self::make(files)?, true)),
            (true, false) => half(&files.certificate, &files.key),
            (false, true) => half(&files.key, &files.certificate),
        }
    }

    /// Signs what `params` say, good from now on and for so many days, not longer than the authority itself.
    pub(crate) fn sign(
        &self,
        mut params: CertificateParams,
        days: u32,
    ) -> Result<(rcgen::Certificate, KeyPair), CertsError> {
        let (not_before, not_after) = validity(days);
        params.not_before = not_before.into();
        params.not_after = not_after.min(self.not_after).into();
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        Ok((params.signed_by(&key, &self.issuer)?, key))
    }

    fn make(files: &Pair) -> Result<Self, CertsError> {
        let (not_before, not_after) = validity(DAYS);
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        // Two authorities of the same name would be taken for one by programs that look up names.
        let number = params.key_identifier(&key);
        let number: String = number
            .iter()
            .take(4)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let name = format!("MQTT development authority {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.not_before = not_before.into();
        params.not_after = not_after.into();
        let certificate = params.self_signed(&key)?;
        files.write(&certificate.pem(), &key.serialize_pem(), false)?;
        Ok(Self {
            issuer: Issuer::new(params, key),
            not_after,
        })
    }

    fn read(files: &Pair) -> Result<Self, CertsError> {
        let path = &files.certificate;
        let certificate = CertificateFile::read(path)?;
        if !certificate.is_authority() {
            return Err(CertsError::NoAuthority { path: path.clone() });
        }
        let not_after = certificate.not_after();
        if not_after <= SystemTime::now() {
            return Err(CertsError::Expired { path: path.clone() });
        }
        let unreadable = |path: &std::path::Path, error: rcgen::Error| CertsError::Unreadable {
            path: path.to_owned(),
            problem: error.to_string(),
        };
        let key = KeyPair::from_pem(&files::read(&files.key)?)
            .map_err(|error| unreadable(&files.key, error))?;
        if key.subject_public_key_info() != certificate.public_key() {
            return Err(CertsError::WrongKey {
                key: files.key.clone(),
                certificate: path.clone(),
            });
        }
        let issuer = Issuer::from_ca_cert_pem(&files::read(path)?, key);
        Ok(Self {
            issuer: issuer.map_err(|error| unreadable(path, error))?,
            not_after,
        })
    }
}

/// From when to when, for so many days from now.
fn validity(days: u32) -> (SystemTime, SystemTime) {
    let now = SystemTime::now();
    (
        now.checked_sub(BEFORE).unwrap_or(now),
        now.checked_add(DAY * days).unwrap_or(now),
    )
}
