//! Where the API is.

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};
use url::Url;

use crate::error::Error;

/// What the Android emulator calls the machine it runs on.
const EMULATOR_HOST: &str = "10.0.2.2";

/// A checked base URL, in the parts that each request's is made of.
pub(crate) struct BaseUrl {
    text: String,
    scheme: Scheme,
    host: Authority,
    prefix: String,
}

impl BaseUrl {
    /// No message repeats what was passed: it may hold a password.
    pub(crate) fn check(text: &str, emulator_host: bool) -> Result<Self, Error> {
        let refused = |problem: &str| Err(Error::invalid_argument(format!("base_url {problem}")));
        let Ok(url) = Url::parse(text) else {
            return refused("is not a URL; pass one like https://api.celper.ai");
        };
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return refused("must begin with https:// and name a host");
        }
        let emulator = emulator_host && url.host_str() == Some(EMULATOR_HOST);
        if url.scheme() == "http" && !is_loopback(&url) && !emulator {
            return refused(
                "must use https: over http the API key could be read on the way (http is for loopback hosts only)",
            );
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refused("must not hold a user or password; the API key goes in api_key");
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refused("must end with its path: no ? and no #");
        }
        let text = url.as_str().trim_end_matches('/').to_owned();
        let host = Authority::try_from(url.authority()).ok();
        let prefix = url.path().trim_end_matches('/').to_owned();
        let (Some(host), Ok(_)) = (host, PathAndQuery::try_from(format!("{prefix}/"))) else {
            return refused("has a host or a path that no request can name");
        };
        let scheme = if url.scheme() == "https" { Scheme::HTTPS } else { Scheme::HTTP };
        Ok(BaseUrl { text, scheme, host, prefix })
    }

    /// As it is shown and compared: without a slash at its end.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a proxy is sent whole requests, and not asked for a tunnel.
    pub(crate) fn is_plain(&self) -> bool {
        self.scheme == Scheme::HTTP
    }

    /// The URL of a path, which begins with a slash and is encoded.
    pub(crate) fn join(&self, path: &str) -> Result<Uri, Error> {
        let path = PathAndQuery::try_from([&self.prefix, path].concat());
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.host.clone());
        parts.path_and_query = path.ok();
        Uri::from_parts(parts).map_err(|error| Error::invalid_argument(format!("no URL can be made of this: {error}")))
    }
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    address.map_or(host == "localhost" || host.ends_with(".localhost"), |address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_keeps_its_path_and_loses_its_last_slash() {
        for (given, kept) in [
            ("https://api.celper.ai/", "https://api.celper.ai"),
            ("https://gateway.example/hr/celper/", "https://gateway.example/hr/celper"),
            ("http://localhost:8787", "http://localhost:8787"),
            ("http://[::1]:1/x", "http://[::1]:1/x"),
            ("http://127.9.9.9", "http://127.9.9.9"),
            ("https://gateway.example:443", "https://gateway.example"),
            ("https://bücher.example/a b/ü", "https://xn--bcher-kva.example/a%20b/%C3%BC"),
        ] {
            let url = BaseUrl::check(given, false).unwrap();
            assert_eq!(url.as_str(), kept);
            assert_eq!(url.join("/v1/x?y=%20").unwrap().to_string(), format!("{kept}/v1/x?y=%20"));
        }
    }

    #[test]
    fn a_base_url_that_would_leak_or_mislead_is_refused_without_being_repeated() {
        for url in [
            "",
            "api.celper.ai",
            "ftp://api.celper.ai",
            "http://api.celper.ai",
            "http://10.0.2.2",
            "http://127.0.0.1.evil.example",
            "https://user:hunter2@api.celper.ai",
            "https://api.celper.ai/?key=hunter2",
            "https://api.celper.ai/#hunter2",
        ] {
            let error = BaseUrl::check(url, false).err().unwrap();
            assert!(error.message().starts_with("base_url ") && !error.message().contains("hunter2"), "{url}: {error}");
        }
    }
}
