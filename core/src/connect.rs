//! What a failed connection means: the stage at which it failed, and whether a retry can help.

use std::error::Error as StdError;
use std::io;
use std::iter;

use rustls::{AlertDescription, CertificateError};

use crate::argument::{Argument, NameStyle};
use crate::dns::ResolveError;
use crate::transport::{SendError, Stage};

/// A failure in words.
pub(crate) struct Failure {
    pub(crate) message: String,
    /// A retry would fail in the same way.
    pub(crate) permanent: bool,
}

/// Describes why there is no response from `host`.
pub(crate) fn describe(error: &SendError, host: &str, proxy: Option<&str>, names: NameStyle) -> Failure {
    let chain = || iter::successors(Some(&*error.cause as &(dyn StdError + 'static)), |&error| error.source());
    let root = chain().last().map(ToString::to_string).unwrap_or_default();
    let through = proxy.map(|address| format!(" through the proxy at {address}")).unwrap_or_default();
    if let Some(tls) = chain().find_map(tls_error) {
        let (reason, permanent) = describe_tls(tls, host, names);
        return Failure { message: format!("TLS handshake with {host}{through} failed: {reason}"), permanent };
    }
    if chain().any(|error| error.is::<ResolveError>()) {
        let name = proxy.unwrap_or(host);
        return Failure { message: format!("could not resolve {name}: {root}"), permanent: false };
    }
    if let Some(refused) = chain().find_map(tunnel_refusal) {
        return Failure { message: format!("could not connect to {host}{through}: {refused}"), permanent: true };
    }
    let message = match error.connected {
        true => format!("no response from {host}{through}: {root}"),
        false => match error.timed_out {
            Some(Stage::Resolving) => format!("could not resolve {} in time", proxy.unwrap_or(host)),
            Some(_) => format!("could not connect to {host}{through} in time (TCP or TLS handshake)"),
            None => format!("could not connect to {host}{through}: {root}"),
        },
    };
    Failure { message, permanent: false }
}

/// rustls' error comes inside of one `io::Error` or two, which do not name it as their source.
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let inner = |error: &&'a (dyn StdError + 'static)| {
        error.downcast_ref::<io::Error>().and_then(io::Error::get_ref).map(|inner| inner as &(dyn StdError + 'static))
    };
    iter::successors(Some(error), inner).find_map(|error| error.downcast_ref())
}

/// A proxy that responds to CONNECT with another status than 200. hyper-util's error type is private and does not keep the
/// status, so its text has to do.
fn tunnel_refusal(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    match error.to_string().as_str() {
        "tunnel error: proxy authorization required" => Some(
            "proxy authorization required (407); put the proxy's user and password into its URL, as in \
             http://user:password@proxy.example:3128",
        ),
        "tunnel error: unsuccessful" => {
            Some("the proxy opened no tunnel (its response was not 200); allow this host in the proxy's settings")
        }
        _ => None,
    }
}

/// OpenSSL's name for what is wrong with a TLS connection, which Node's own errors have as their `code`.
#[cfg(feature = "bindings")]
pub(crate) fn tls_code(error: &(dyn StdError + 'static)) -> Option<&'static str> {
    let problem = match tls_error(error)? {
        rustls::Error::InvalidCertificate(problem) => problem,
        _ => return Some("EPROTO"),
    };
    Some(match problem {
        CertificateError::UnknownIssuer => "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "CERT_HAS_EXPIRED",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "CERT_NOT_YET_VALID",
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "ERR_TLS_CERT_ALTNAME_INVALID"
        }
        CertificateError::Revoked => "CERT_REVOKED",
        CertificateError::Other(other) if is_self_signed(other) => "DEPTH_ZERO_SELF_SIGNED_CERT",
        _ => "CERT_REJECTED",
    })
}

/// webpki's error for a self-signed CA certificate that the server uses itself.
fn is_self_signed(error: &rustls::OtherError) -> bool {
    error.to_string().contains("CaUsedAsEndEntity")
}

fn describe_tls(error: &rustls::Error, host: &str, names: NameStyle) -> (String, bool) {
    let ca_certificates = Argument::CaCertificates.name(names);
    let reason = match error {
        rustls::Error::InvalidCertificate(problem) => match problem {
            CertificateError::UnknownIssuer => format!(
                "the certificate's issuer is not trusted; if it is your company's or a test CA, pass its certificate in \
                 {ca_certificates}"
            ),
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the certificate has expired; renew it, or correct this machine's clock".to_owned()
            }
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                "the certificate is not valid yet; correct this machine's clock".to_owned()
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                format!("the certificate is not valid for {host}; check the host of {}", Argument::BaseUrl.name(names))
            }
            CertificateError::Revoked => "the certificate was revoked".to_owned(),
            CertificateError::Other(other) if is_self_signed(other) => format!(
                "the certificate is self-signed (a CA certificate used by the server itself); have the server use a certificate \
                 issued by that CA, and pass the CA's certificate in {ca_certificates}"
            ),
            other => {
                format!("the certificate is not valid ({other}); a private CA's certificate goes in {ca_certificates}")
            }
        },
        rustls::Error::AlertReceived(alert) if is_about_certificates(*alert) => {
            format!("the server wants a client certificate, or does not accept this one ({error})")
        }
        _ => return (error.to_string(), false),
    };
    (reason, true)
}

fn is_about_certificates(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::CertificateRequired
    )
}
