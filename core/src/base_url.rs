//! The checked base URL, and the URL of each request.

use std::net::IpAddr;

use url::{Host, ParseError, Url};

use crate::argument::{Argument, NameStyle};
use crate::error::Error;

/// A base URL that requests may be sent to.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl(Url);

impl BaseUrl {
    /// No message repeats the text: it may hold a password.
    pub(crate) fn parse(text: &str, http_hosts: &[HttpHost], names: NameStyle) -> Result<Self, Error> {
        let name = Argument::BaseUrl.name(names);
        let refused = |problem: &str| Err(Error::invalid_argument(format!("{name} {problem}")));
        let mut url = match Url::parse(text) {
            Ok(url) => url,
            Err(ParseError::IdnaError) => {
                return refused("has a host that is not valid; write one with letters beyond ASCII as xn--…");
            }
            Err(_) => return refused("is not a URL; pass one like https://api.celper.ai"),
        };
        if !matches!(url.scheme(), "https" | "http") || url.host().is_none() {
            return refused("must begin with https:// and name a host");
        }
        let listed = http_hosts.iter().any(|host| Some(host.0.as_str()) == url.host_str());
        if url.scheme() == "http" && !is_loopback(&url) && !listed {
            let http_hosts = Argument::AllowHttpHosts.name(names);
            return refused(&format!(
                "must use https: over http the API key could be read on the way (http is for loopback hosts, and for private \
                 hosts in {http_hosts})"
            ));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let api_key = Argument::ApiKey.name(names);
            return refused(&format!("must not hold a user or password; the API key goes in {api_key}"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return refused("must end with its path: no ? and no #");
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        if let Some(base) = path.strip_suffix("/v1") {
            url.set_path(base);
            let right = BaseUrl(url);
            return refused(&format!("must not end in /v1, which the client adds itself; pass {}", right.as_str()));
        }
        Ok(BaseUrl(url))
    }

    /// As it is shown and compared: without a trailing slash.
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    pub(crate) fn url(&self) -> &Url {
        &self.0
    }

    pub(crate) fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Whether requests are sent in clear.
    pub(crate) fn is_plain(&self) -> bool {
        self.0.scheme() == "http"
    }

    /// The URL of a path, which begins with a slash and is percent-encoded.
    pub(crate) fn join(&self, path: &str) -> Result<Url, Error> {
        let url = Url::parse(&[self.as_str(), path].concat());
        url.map_err(|error| Error::invalid_argument(format!("the request's URL is not valid: {error}")))
    }
}

/// The host, with a port that is not the scheme's default one; for messages.
pub(crate) fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Whether the host is this machine: an address of 127.0.0.0/8, `::1`, `localhost` or a name under it.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        // Under the schemes of SOCKS proxies, addresses are parsed as names.
        Some(Host::Domain(name)) => {
            is_localhost(name) || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        }
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).to_canonical().is_loopback(),
        None => false,
    }
}

/// `localhost` and every name under it (RFC 6761, section 6.3).
pub(crate) fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let label = name.rsplit('.').next().unwrap_or(name);
    label.eq_ignore_ascii_case("localhost")
}

/// A private host that may be reached over plain `http`, as the URL parser writes it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HttpHost(String);

/// Domains that are never delegated to a public host (RFC 2606, 6761, 6762, 8375, 9476, and ICANN's `internal`).
const PRIVATE_DOMAINS: [&str; 6] = ["home.arpa", "internal", "lan", "local", "localhost", "test"];

impl HttpHost {
    pub(crate) fn parse(host: &str, names: NameStyle) -> Result<Self, Error> {
        // The URL parser, and not `Host`, reads addresses and names as it does in a base URL.
        let url = Url::parse(&format!("http://{host}/"));
        let bare = |url: &Url| url.host_str() == Some(&host.to_ascii_lowercase());
        let parsed = url.ok().filter(bare).and_then(|url| Some((url.host()?.to_owned(), url.host_str()?.to_owned())));
        let private = match &parsed {
            Some((Host::Domain(name), _)) => {
                let in_domain = |domain: &&str| name.strip_suffix(*domain).is_some_and(|rest| rest.ends_with('.'));
                let valid = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
                valid && (!name.contains('.') || PRIVATE_DOMAINS.iter().any(in_domain))
            }
            Some((Host::Ipv4(ip), _)) => ip.is_private() || ip.is_link_local() || ip.is_loopback(),
            Some((Host::Ipv6(ip), _)) => ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_loopback(),
            None => false,
        };
        match parsed {
            Some((_, text)) if private => Ok(HttpHost(text)),
            _ => Err(Error::invalid_argument(format!(
                "{} takes host names and addresses of a private network, such as sandbox, api.internal or 10.0.0.7, without \
                 scheme, port and path; hosts that can be public need https",
                Argument::AllowHttpHosts.name(names)
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<BaseUrl, Error> {
        BaseUrl::parse(text, &[], NameStyle::Snake)
    }

    #[test]
    fn a_base_url_keeps_its_path_and_loses_its_last_slash() {
        for (text, expected) in [
            ("https://api.celper.ai/", "https://api.celper.ai"),
            ("https://gateway.example/hr/celper/", "https://gateway.example/hr/celper"),
            ("http://localhost:8787", "http://localhost:8787"),
            ("http://[::1]:1/x", "http://[::1]:1/x"),
            ("http://127.9.9.9", "http://127.9.9.9"),
            ("https://gateway.example:443", "https://gateway.example"),
            ("https://xn--bcher-kva.example/a b/ü", "https://xn--bcher-kva.example/a%20b/%C3%BC"),
        ] {
            let url = parse(text).unwrap();
            assert_eq!(url.as_str(), expected);
            assert_eq!(url.join("/v1/x?y=%20").unwrap().to_string(), format!("{expected}/v1/x?y=%20"));
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
            "http://localhost.evil.example",
            "http://evillocalhost",
            "https://bücher.example",
            "https://user:hunter2@api.celper.ai",
            "https://api.celper.ai/?key=hunter2",
            "https://api.celper.ai/#hunter2",
        ] {
            let error = parse(url).err().unwrap();
            assert!(error.message().starts_with("base_url ") && !error.message().contains("hunter2"), "{url}: {error}");
        }
    }

    #[test]
    fn a_base_url_with_the_apis_version_is_refused_and_the_right_one_named() {
        for (url, right) in [
            ("https://api.celper.ai/v1/", "pass https://api.celper.ai"),
            ("https://gateway.example/celper/v1", "pass https://gateway.example/celper"),
        ] {
            let error = parse(url).err().unwrap();
            assert!(error.message().ends_with(right), "{error}");
        }
        assert!(parse("https://gateway.example/api-v1").is_ok());
    }

    #[test]
    fn http_is_allowed_for_listed_private_hosts_only() {
        let hosts = |hosts: &[&str]| -> Result<Vec<_>, Error> {
            hosts.iter().map(|host| HttpHost::parse(host, NameStyle::Snake)).collect()
        };
        let private =
            hosts(&["Sandbox", "api.internal", "a.b.local", "10.0.0.7", "192.168.1.1", "[fd00::1]", "10.0.2.2"])
                .unwrap();
        for url in [
            "http://sandbox:8787",
            "http://API.internal",
            "http://10.0.0.7:1/x",
            "http://[fd00::1]",
            "http://a.b.local",
        ] {
            BaseUrl::parse(url, &private, NameStyle::Snake).unwrap();
            assert!(parse(url).err().unwrap().message().contains("allow_http_hosts"), "{url}");
        }
        for url in ["http://sandbox.example", "http://x.api.internal", "http://10.0.0.8"] {
            assert!(BaseUrl::parse(url, &private, NameStyle::Snake).is_err(), "{url}");
        }
        for host in [
            "",
            "api.celper.ai",
            "8.8.8.8",
            "example.com",
            "a:80",
            "u@a",
            "a/b",
            "http://a",
            "*",
            "notinternal.com",
            "[2001:db8::1]",
        ] {
            assert!(hosts(&[host]).unwrap_err().message().starts_with("allow_http_hosts "), "{host}");
        }
    }

    #[test]
    fn messages_use_the_names_of_the_callers_language() {
        let error = BaseUrl::parse("https://u:p@h", &[], NameStyle::Camel).err().unwrap();
        assert!(error.message().starts_with("baseUrl ") && error.message().ends_with("apiKey"), "{error}");
    }
}
