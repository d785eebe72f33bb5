//! Private keys that a password opens: PKCS#8 with PBES2. Spec: RFC 8018 §6.2, RFC 5958 §3.

use super::PemProblem;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// The key in `encrypted`, which is DER.
pub(super) fn decrypt(
    encrypted: &[u8],
    password: &str,
) -> Result<PrivateKeyDer<'static>, PemProblem> {
    let unknown = |_| PemProblem::KeyEncryption;
    let encrypted = EncryptedPrivateKeyInfoRef::try_from(encrypted).map_err(unknown)?;
    let opened = encrypted.decrypt(password).map_err(|error| match error {
        pkcs8::Error::EncryptedPrivateKey(pkcs8::pkcs5::Error::UnsupportedAlgorithm { .. }) => {
            PemProblem::KeyEncryption
        }
        _ => PemProblem::Password,
    })?;
    // With a wrong password something may come out that is no key.
    if PrivateKeyInfoRef::try_from(opened.as_bytes()).is_err() {
        return Err(PemProblem::Password);
    }
    let key = PrivatePkcs8KeyDer::from(opened.as_bytes().to_vec());
    Ok(PrivateKeyDer::from(key))
}

#[cfg(test)]
mod tests {
    use super::super::pem::{Source, private_key, private_key_with_password};

    /// A key that is of no use anywhere, as `openssl genpkey` writes it.
    const PLAIN: &str = "\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgCwbQtrN+BrX8hVHn
k3m7dVKL+nprElN27iLQpZZYREahRANCAAR7Ft4PMjmceOgGLYkWDLuANbAGmRs/
XYi++fJoFPaDYTasV8+Cx7Uc6vZQfONbQQKIK01mQusU4ge6zSL3nR4w
-----END PRIVATE KEY-----
";

    /// The same by `openssl pkcs8 -topk8` with the password `open-sesame`.
    const ENCRYPTED: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAgao0ai/beDcAICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEECHusRmbmwbUn3LlLRR1jroEgZA/
jvyxBEC+bNASV2Jupt+dkf60sG6Ess7y7K+/UQ1n+K2kMcpKLS6dadSqfNCsVLp5
KZ46PnFBseybtbKA8jaOpz368mvQKFYUTWZnlLoqj06jCKkfPNz1/j8w1BJeQiLe
npSIsgC8bu2589XOQ7nl7nik4MXfmWEcdhIYHFPnqao9N/0f4yhchCuI/XUJnAg=
-----END ENCRYPTED PRIVATE KEY-----
";

    /// The same with `-v2 des3`.
    const BY_TRIPLE_DES: &str = "\
-----BEGIN ENCRYPTED PRIVATE KEY-----
MIHjME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAjZLnaMT2Xl7wICCAAw
DAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIgig0+I57zBgEgZA/whUWhn0xQjQA
AY1fOOkn2E0tm5FLkmxI3FC0KNDy7S/DpKHAmk/LXOrjTuXX8jbXOCV3E18467rU
dKEKW05utFAAkcJsclRHzvKv94FEitWhuapcrRUE91KOkvgaz4lLstBxxobUGeLn
KkZuUOC3pvaudiPcD+F1+ala8E1nGTOEY011OMLCAo2IUwqsFTk=
-----END ENCRYPTED PRIVATE KEY-----
";

    fn read(text: &str, password: &str) -> Result<Vec<u8>, String> {
        let source = Source::given("x.key", text.as_bytes());
        let key = private_key_with_password(&source, password);
        key.map(|key| key.secret_der().to_vec())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_by_openssl_is_opened_by_its_password_alone() {
        let source = Source::given("x.key", PLAIN.as_bytes());
        let plain = private_key(&source).unwrap().secret_der().to_vec();
        let commented = format!("# a comment\n\n{ENCRYPTED}# another\n");
        let of_windows = ENCRYPTED.replace('\n', "\r\n");
        for text in [ENCRYPTED, &commented, &of_windows] {
            assert_eq!(read(text, "open-sesame").unwrap(), plain);
        }
        for wrong in ["", "open-sesam", "Open-sesame"] {
            let error = read(&commented, wrong).unwrap_err();
            assert_eq!(error, "x.key, line 3: the password is wrong");
        }
        assert_eq!(read(PLAIN, "not needed").unwrap(), plain);
    }

    #[test]
    fn what_cannot_be_opened_says_how_to_convert_it() {
        let error = read(BY_TRIPLE_DES, "open-sesame").unwrap_err();
        assert_eq!(
            error,
            "x.key, line 1: the private key is encrypted in a way that is not known here; convert it (openssl pkcs8 -topk8 -in FILE -out NEW)"
        );
        let cut = ENCRYPTED.replace("MIHsMFcG", "MIHsMFc!");
        let error = read(&cut, "open-sesame").unwrap_err();
        assert_eq!(
            error,
            "x.key, line 1: a private key begins here that cannot be read"
        );
    }
}
