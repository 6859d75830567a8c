//! The trusted certificates: the system's roots, bundled ones where the system has none, and those that the caller adds.

use std::env;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

use crate::argument::{Argument, NameStyle};
use crate::error::Error;

/// A TLS configuration that trusts the default roots and the certificates in `extra`.
///
/// reqwest's own configuration uses the platform's verifier, which panics on Android unless the app has initialised it.
pub(crate) fn client_config(extra: &[CertificateDer<'static>], names: NameStyle) -> Result<ClientConfig, Error> {
    let roots = if extra.is_empty() {
        default_roots()
    } else {
        let mut roots = RootCertStore::clone(&default_roots());
        for certificate in extra {
            roots.add(certificate.clone()).map_err(|error| {
                let name = Argument::CaCertificates.name(names);
                Error::invalid_argument(format!("{name} has a certificate that cannot be used: {error}"))
            })?;
        }
        Arc::new(roots)
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| Error::invalid_argument(format!("TLS could not be configured: {error}")))?;
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// The certificates of the PEM files that a language's own variables name, to be trusted in addition to the system's: whoever
/// sets one for the other HTTP clients of the program expects it to count here.
pub(crate) fn from_language_environment(language: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let variable = match language {
        "node" => "NODE_EXTRA_CA_CERTS",
        _ => return Ok(Vec::new()),
    };
    match env::var_os(variable).filter(|path| !path.is_empty()) {
        Some(path) => read_pem_file(variable, Path::new(&path)),
        None => Ok(Vec::new()),
    }
}

/// Certificates that rustls cannot use are left out, as from the system's store.
fn read_pem_file(variable: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = fs::read(path).map_err(|error| {
        let path = path.display();
        Error::invalid_argument(format!(
            "{variable} names {path}, which cannot be read ({error}); correct the variable or unset it"
        ))
    })?;
    let mut certificates = parse_pem(&pem, variable)?;
    certificates.retain(|certificate| RootCertStore::empty().add(certificate.clone()).is_ok());
    Ok(certificates)
}

/// The certificates of a PEM file's content. `name` is the option or the variable that it comes from.
pub(crate) fn parse_pem(pem: &[u8], name: &str) -> Result<Vec<CertificateDer<'static>>, Error> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match certificates {
        Ok(certificates) if !certificates.is_empty() => Ok(certificates),
        Ok(_) => Err(Error::invalid_argument(format!(
            "{name} contains no certificate; pass the content of a PEM file (-----BEGIN CERTIFICATE-----)"
        ))),
        Err(error) => Err(Error::invalid_argument(format!("{name} is not valid PEM: {error}"))),
    }
}

/// Loaded once per process, as it takes some milliseconds. Without a lock, which a fork could copy while it is held; two
/// threads that both load them do no harm.
fn default_roots() -> Arc<RootCertStore> {
    static ROOTS: ArcSwapOption<RootCertStore> = ArcSwapOption::const_empty();
    ROOTS.load_full().unwrap_or_else(|| {
        let roots = Arc::new(roots_of(system_certificates()));
        ROOTS.store(Some(Arc::clone(&roots)));
        roots
    })
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
            assert!(parse_pem(pem.as_bytes(), "ca_certificates").is_err(), "{pem:?}");
        }
        let garbage =
            parse_pem(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "ca_certificates").unwrap();
        assert!(client_config(&garbage, NameStyle::Snake).unwrap_err().message().contains("ca_certificates"));
    }

    #[test]
    fn a_named_file_that_cannot_be_read_is_an_error() {
        let error = read_pem_file("NODE_EXTRA_CA_CERTS", Path::new("/nowhere/ca.pem")).unwrap_err();
        let (variable, path) = ("NODE_EXTRA_CA_CERTS", "/nowhere/ca.pem");
        assert!(error.message().contains(variable) && error.message().contains(path), "{error}");
        assert!(read_pem_file(variable, Path::new(file!())).is_err(), "a file without certificates");
    }
}
