//! Makes an authority and a certificate in a folder, and reads what it says.

use mqtt_certs::{CertificateFile, CertificateMaker};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("certificates-{}", std::process::id()));
    let made = CertificateMaker::new(&folder).host("broker.lan")?.make()?;
    let server = made.server.ok_or("no server")?;
    let says = CertificateFile::read(&server.files.certificate)?;
    assert_eq!((server.name.as_str(), says.subject()), ("broker.lan", "CN=broker.lan"));
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
