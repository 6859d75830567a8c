//! Which requests may use the control endpoints: none that a web page could make.
//!
//! The endpoints need no key, and show the keys of logged requests. A page in a browser on this machine can reach the
//! sandbox's port, and DNS rebinding makes the sandbox look like a part of the page's own site. A browser cannot be made to
//! leave out `Origin` where it matters, nor to send another site's `Host`.

use std::net::IpAddr;

use hyper::header::{HOST, ORIGIN};
use hyper::http::HeaderName;
use hyper::http::request::Parts;
use hyper::http::uri::Authority;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    #[error(
        "the control endpoints refuse requests from web pages, and this one has the header {0}: call them from a test or a \
         program, without it"
    )]
    WebPage(HeaderName),
    #[error("a request to a control endpoint needs exactly one Host header")]
    NoHost,
    #[error(
        "{0:?} is not a name of this sandbox: use localhost or the address that it listens on as Host, or start it with \
         --server-name NAME"
    )]
    UnknownHost(String),
}

/// Refuses a request with an `Origin`, or with a `Host` that is neither a loopback name or address, nor one of `addresses`
/// or `names`.
pub(crate) fn check(parts: &Parts, addresses: &[IpAddr], names: &[String]) -> Result<(), AccessError> {
    if parts.headers.contains_key(ORIGIN) {
        return Err(AccessError::WebPage(ORIGIN));
    }
    // `none`: the user opened the address. Anything else comes from a page.
    if parts.headers.get_all(SEC_FETCH_SITE).iter().any(|site| site != "none") {
        return Err(AccessError::WebPage(SEC_FETCH_SITE));
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return Err(AccessError::NoHost) };
    let host = String::from_utf8_lossy(host.as_bytes());
    // A target in absolute form has a host of its own.
    for host in [Some(&*host), parts.uri.authority().map(Authority::as_str)].into_iter().flatten() {
        if !is_known(host, addresses, names) {
            return Err(AccessError::UnknownHost(host.chars().take(255).collect()));
        }
    }
    Ok(())
}

fn is_known(host: &str, addresses: &[IpAddr], names: &[String]) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    // No user information: `localhost@evil.example`.
    if host.contains('@') {
        return false;
    }
    let host = authority.host().to_ascii_lowercase();
    let name = host.strip_suffix('.').unwrap_or(&host);
    if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        let named = || names.iter().any(|name| name.parse() == Ok(address));
        return address.to_canonical().is_loopback() || addresses.contains(&address) || named();
    }
    name == "localhost" || name.ends_with(".localhost") || names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_loopback_names_addresses_and_its_own() {
        let addresses = ["192.0.2.7".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        let names = ["sandbox.internal".to_owned(), "192.0.2.8".to_owned()];
        for host in [
            "localhost",
            "LOCALHOST:8787",
            "localhost.",
            "a.localhost:1",
            "127.0.0.1",
            "127.9.9.9:80",
            "[::1]:8787",
            "[::ffff:127.0.0.1]",
            "192.0.2.7",
            "192.0.2.8:8787",
            "[2001:db8::1]:8787",
            "Sandbox.Internal:8787",
        ] {
            assert!(is_known(host, &addresses, &names), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "evil.example:8787",
            "localhost.evil.example",
            "evillocalhost",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil.example@localhost",
            "192.0.2.9",
            "[2001:db8::2]",
            "0.0.0.0",
            "localhost, evil.example",
            "sandbox.internal.evil.example",
        ] {
            assert!(!is_known(host, &addresses, &names), "{host}");
        }
    }
}
