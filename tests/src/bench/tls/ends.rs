//! Who the server is, and a client that trusts anybody: both ends by rustls, which no probe sees.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    CipherSuite, ClientConfig, DigitallySignedStruct, ServerConfig, SignatureScheme, version,
};

use crate::lab::{Failure, failed, output};

/// Files with the server's certificate and key (ECDSA on P-256: of what is in use, the handshake that costs a server least, and
/// so the one that an observer slows down most).
pub struct Identity {
    /// Signed by nobody.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

impl Identity {
    /// Makes one in a folder.
    pub fn make(folder: &Path) -> Result<Self, Failure> {
        let certificate = folder.join("certificate.pem");
        let key = folder.join("key.pem");
        output(
            Command::new("openssl")
                .args(["req", "-x509", "-nodes", "-subj", "/CN=api.example"])
                .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"])
                .arg("-keyout")
                .arg(&key)
                .arg("-out")
                .arg(&certificate),
        )?;
        Ok(Self { certificate, key })
    }

    /// A client of TLS 1.3 that makes a full handshake each time, with AES-128-GCM.
    pub fn client(&self) -> Result<ClientConfig, Failure> {
        let provider = provider();
        let mut client = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&version::TLS13])
            .map_err(failed("a client"))?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        client.resumption = Resumption::disabled();
        Ok(client)
    }

    /// A server for such clients.
    pub fn server(&self) -> Result<ServerConfig, Failure> {
        let certificate =
            CertificateDer::from_pem_file(&self.certificate).map_err(failed("a certificate"))?;
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(failed("a key"))?;
        ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&version::TLS13])
            .map_err(failed("a server"))?
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .map_err(failed("a server"))
    }
}

/// What ring has, and of suites the one only.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = ring::default_provider();
    provider
        .cipher_suites
        .retain(|known| known.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}
