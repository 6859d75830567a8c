//! The trusted certificates: the system's roots or the file that the environment names, bundled ones where there are none, and
//! those that the caller adds.

use std::env;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::crypto::{CryptoProvider, KeyProvider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::SigningKey;
use rustls::{ClientConfig, RootCertStore};

use crate::argument::{Argument, NameStyle};
use crate::error::Error;

/// A TLS configuration that trusts the default roots and the certificates in `extra`.
///
/// reqwest's own configuration uses the platform's verifier, which panics on Android unless the app has initialised it.
pub(crate) fn client_config(
    extra: &[CertificateDer<'static>],
    variable: Option<CaVariable>,
    names: NameStyle,
) -> Result<ClientConfig, Error> {
    let roots = default_roots(variable)?;
    let roots = if extra.is_empty() {
        roots
    } else {
        let mut roots = RootCertStore::clone(&roots);
        for certificate in extra {
            roots.add(certificate.clone()).map_err(|error| {
                let name = Argument::CaCertificates.name(names);
                Error::invalid_argument(format!("{name} has a certificate that cannot be used: {error}"))
            })?;
        }
        Arc::new(roots)
    };
    let provider =
        Arc::new(CryptoProvider { key_provider: &NoPrivateKeys, ..rustls::crypto::ring::default_provider() });
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::invalid_argument(format!("TLS could not be configured: {error}")))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// No client certificate is ever used. Without what reads private keys and signs, the library is some 80 KB smaller.
#[derive(Debug)]
struct NoPrivateKeys;

impl KeyProvider for NoPrivateKeys {
    fn load_private_key(&self, _: PrivateKeyDer<'static>) -> Result<Arc<dyn SigningKey>, rustls::Error> {
        Err(rustls::Error::General("client certificates are not supported".to_owned()))
    }
}

/// The certificates of a PEM file's content.
pub(crate) fn parse_pem(pem: &[u8], names: NameStyle) -> Result<Vec<CertificateDer<'static>>, Error> {
    let name = Argument::CaCertificates.name(names);
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(Error::invalid_argument(format!(
            "{name} contains no certificate; pass the content of a PEM file (-----BEGIN CERTIFICATE-----)"
        ))),
        Err(error) => Err(Error::invalid_argument(format!("{name} is not valid PEM: {error}"))),
    }
}

/// An environment variable that names certificates for a language's other HTTP clients, in addition to `SSL_CERT_FILE`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum CaVariable {
    /// `REQUESTS_CA_BUNDLE` of Python's requests, a file or a folder: instead of the system's certificates.
    RequestsCaBundle,
    /// Node's `NODE_EXTRA_CA_CERTS`, a file: in addition to the system's certificates.
    NodeExtraCaCerts,
}

impl CaVariable {
    pub(crate) fn of(language: &str) -> Option<Self> {
        match language {
            "python" => Some(CaVariable::RequestsCaBundle),
            "node" => Some(CaVariable::NodeExtraCaCerts),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            CaVariable::RequestsCaBundle => "REQUESTS_CA_BUNDLE",
            CaVariable::NodeExtraCaCerts => "NODE_EXTRA_CA_CERTS",
        }
    }
}

/// Loaded once per process, as it takes some milliseconds. Without a lock, which a fork could copy while it is held; two
/// threads that both load them do no harm.
fn default_roots(variable: Option<CaVariable>) -> Result<Arc<RootCertStore>, Error> {
    static ROOTS: ArcSwapOption<RootCertStore> = ArcSwapOption::const_empty();
    if let Some(roots) = ROOTS.load_full() {
        return Ok(roots);
    }
    let file = named_certificates("SSL_CERT_FILE")?;
    let own = variable.map_or(Ok(None), |variable| named_certificates(variable.name()))?;
    let roots = match (own, variable) {
        (Some(mut bundle), Some(CaVariable::RequestsCaBundle)) => {
            bundle.extend(file.unwrap_or_default());
            roots_of(bundle)
        }
        (extra, _) => {
            // What `SSL_CERT_FILE` and `SSL_CERT_DIR` name counts as the system's.
            let mut roots = roots_of(system_certificates());
            roots.add_parsable_certificates(extra.unwrap_or_default());
            roots
        }
    };
    let roots = Arc::new(roots);
    ROOTS.store(Some(Arc::clone(&roots)));
    Ok(roots)
}

/// The certificates of the file or folder that an environment variable names; `None` where it is not set. One that cannot be
/// used is an error: trusting others than those that were asked for could hide an interception, or break a program later.
fn named_certificates(variable: &str) -> Result<Option<Vec<CertificateDer<'static>>>, Error> {
    let Some(path) = env::var_os(variable).filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    let path = Path::new(&path);
    let (file, folder) = if path.is_dir() { (None, Some(path)) } else { (Some(path), None) };
    let found = rustls_native_certs::load_certs_from_paths(file, folder);
    let problem = match found.errors.first() {
        None if !found.certs.is_empty() => return Ok(Some(found.certs)),
        // A folder can have other files beside the certificates.
        Some(_) if folder.is_some() && !found.certs.is_empty() => return Ok(Some(found.certs)),
        Some(problem) => problem.to_string(),
        None => "it has no certificate in PEM form".to_owned(),
    };
    Err(Error::invalid_argument(format!(
        "the certificates in {}, which the environment variable {variable} names, cannot be used: {problem}; fix or unset the \
         variable",
        path.display()
    )))
}

fn system_certificates() -> Vec<CertificateDer<'static>> {
    if cfg!(target_os = "android") {
        return Vec::new();
    }
    let found = rustls_native_certs::load_native_certs();
    for problem in &found.errors {
        tracing::debug!(target: "celper", %problem, "a system certificate could not be read");
    }
    found.certs
}

/// The roots to trust: the system's, or the bundled ones where it has none.
fn roots_of(system: Vec<CertificateDer<'static>>) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(system);
    if roots.is_empty() {
        tracing::debug!(target: "celper", "no system trust store found, using the bundled roots");
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_without_usable_roots_gets_the_bundled_ones() {
        let bundled = webpki_roots::TLS_SERVER_ROOTS.len();
        assert!(bundled > 50);
        assert_eq!(roots_of(Vec::new()).len(), bundled);
        assert_eq!(roots_of(vec![CertificateDer::from(vec![0; 8])]).len(), bundled);
        let system = system_certificates();
        let usable = RootCertStore::empty().add_parsable_certificates(system.clone()).0;
        if usable > 0 {
            assert_eq!(roots_of(system).len(), usable, "the system's roots and no others");
        }
    }

    #[test]
    fn pem_without_a_certificate_is_refused() {
        for pem in ["", "not PEM at all", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"] {
            assert!(parse_pem(pem.as_bytes(), NameStyle::Snake).is_err(), "{pem:?}");
        }
        let garbage =
            parse_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", NameStyle::Snake).unwrap();
        assert!(client_config(&garbage, None, NameStyle::Snake).unwrap_err().message().contains("ca_certificates"));
    }
}
