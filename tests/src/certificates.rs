//! A certificate authority for one test, and a server certificate of it.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

use crate::files::write_secret;

/// PEM files for a TLS listener on loopback.
#[derive(Debug)]
pub struct Certificates {
    /// What the client trusts.
    pub authority: PathBuf,
    /// What the server shows.
    pub certificate: PathBuf,
    /// The server's private key.
    pub key: PathBuf,
}

impl Certificates {
    /// Makes an authority and a certificate for 127.0.0.1 and localhost, and writes them to `folder`.
    ///
    /// # Panics
    /// When they cannot be made or written.
    #[must_use]
    pub fn generate(folder: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).expect("no names need no parsing");
        params
            .distinguished_name
            .push(DnType::CommonName, "Warder test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::DigitalSignature,
        ];
        let authority =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key can be made"))
                .expect("an authority can be signed");
        let key = KeyPair::generate().expect("a key can be made");
        let mut params =
            CertificateParams::new(vec!["127.0.0.1".to_owned(), "localhost".to_owned()])
                .expect("the names are valid");
        params
            .distinguished_name
            .push(DnType::CommonName, "Warder test server");
        let certificate = params
            .signed_by(&key, &authority)
            .expect("a certificate can be signed");
        let files = Self {
            authority: folder.join("authority.pem"),
            certificate: folder.join("certificate.pem"),
            key: folder.join("key.pem"),
        };
        write_secret(&files.authority, &authority.pem());
        write_secret(&files.certificate, &certificate.pem());
        write_secret(&files.key, &key.serialize_pem());
        files
    }
}
