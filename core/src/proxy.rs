//! Which proxy a client uses: the caller's, or the environment's for this server.

use std::env;

use hyper_util::client::proxy::matcher::Matcher;
use reqwest::header::HeaderValue;
use url::Url;
use zeroize::Zeroizing;

use crate::argument::{Argument, NameStyle};
use crate::base_url::{BaseUrl, host_and_port, is_loopback};
use crate::error::Error;

const SCHEMES: &[&str] = if cfg!(feature = "socks") {
    &["http", "https", "socks4", "socks4a", "socks5", "socks5h"]
} else {
    &["http", "https"]
};

/// A proxy server. It has no `Debug`: its URL may hold a password.
#[derive(Clone)]
pub(crate) struct ProxyServer {
    url: Url,
    /// Credentials that are not in the URL: those of the operating system's settings.
    authorization: Option<HeaderValue>,
}

impl ProxyServer {
    fn parse(text: &str) -> Option<Self> {
        let url = Url::parse(text).ok()?;
        // A path, query or fragment is the rest of a password whose special characters are not percent-encoded.
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        let usable = bare && SCHEMES.contains(&url.scheme()) && url.host_str().is_some_and(|host| !host.is_empty());
        usable.then_some(ProxyServer { url, authorization: None })
    }

    /// Its address for messages: host and port, no credentials.
    pub(crate) fn address(&self) -> String {
        host_and_port(&self.url)
    }

    pub(crate) fn to_reqwest(&self) -> reqwest::Result<reqwest::Proxy> {
        let proxy = reqwest::Proxy::all(self.url.as_str())?;
        Ok(match &self.authorization {
            Some(authorization) => proxy.custom_http_auth(authorization.clone()),
            None => proxy,
        })
    }
}

/// The proxy that the caller names, if it is to be used for this server.
///
/// Requests to a loopback server, and those over plain `http`, go through a proxy on this machine only: no other proxy can
/// reach the former, and the key must not leave the machine in clear.
pub(crate) fn from_option(text: &str, server: &BaseUrl, names: NameStyle) -> Result<Option<ProxyServer>, Error> {
    let proxy = ProxyServer::parse(text.trim()).ok_or_else(|| {
        Error::invalid_argument(format!(
            "{} must be a URL like http://user:password@proxy.example:3128 (with the scheme {}; percent-encode special \
             characters in the password)",
            Argument::Proxy.name(names),
            SCHEMES.join(", ")
        ))
    })?;
    let local_only = server.is_loopback() || server.is_plain();
    Ok(Some(proxy).filter(|proxy| !local_only || is_loopback(&proxy.url)))
}

/// The proxy that the environment, or else the operating system, names for this server. Loopback and plain `http` are never
/// proxied, so `HTTP_PROXY` does not apply.
pub(crate) fn from_environment(server: &BaseUrl, names: NameStyle) -> Result<Option<ProxyServer>, Error> {
    find(server, names, |name| env::var(name).ok())
}

fn find(
    server: &BaseUrl,
    names: NameStyle,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<ProxyServer>, Error> {
    let first = |candidates: &[&'static str]| {
        candidates.iter().find_map(|name| {
            let text = Zeroizing::new(variable(name)?);
            let text = Zeroizing::new(text.trim().to_owned());
            (!text.is_empty()).then_some((*name, text))
        })
    };
    if server.is_loopback() || server.is_plain() {
        return Ok(None);
    }
    let no_proxy = first(&["NO_PROXY", "no_proxy"]).map(|(_, list)| no_proxy_for(server.url(), &list));
    let Some(no_proxy) = no_proxy.unwrap_or_else(|| Some(String::new())) else { return Ok(None) };
    let found = first(&["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]);
    let Ok(server_uri) = server.as_str().parse() else { return Ok(None) };
    let Some((name, text)) = found else {
        let system = Matcher::from_system().intercept(&server_uri);
        return Ok(system.and_then(|proxy| {
            let parsed = ProxyServer::parse(&proxy.uri().to_string())?;
            Some(ProxyServer { authorization: proxy.basic_auth().cloned(), ..parsed })
        }));
    };
    // hyper-util matches names, addresses and networks; the proxy's own URL does not matter for that.
    if Matcher::builder().all("http://proxy").no(no_proxy).build().intercept(&server_uri).is_none() {
        return Ok(None);
    }
    let parsed = if text.contains("://") {
        ProxyServer::parse(&text)
    } else {
        ProxyServer::parse(&Zeroizing::new(format!("http://{}", *text)))
    };
    parsed.map(Some).ok_or_else(|| {
        Error::invalid_argument(format!(
            "the environment variable {name} is not a proxy URL like http://user:password@proxy.example:3128 (percent-encode \
             special characters in the password); fix it, pass {}, or add the host of {} to NO_PROXY",
            Argument::Proxy.name(names),
            Argument::BaseUrl.name(names)
        ))
    })
}

/// The entries of `NO_PROXY` that apply to the server's port, in the form that hyper-util reads; `None` when the list
/// excludes every host. As in curl and Go, entries are separated by commas or white space, and may have a port and brackets.
fn no_proxy_for(server: &Url, list: &str) -> Option<String> {
    let mut entries = Vec::new();
    for entry in list.split(|c: char| c == ',' || c.is_whitespace()).filter(|entry| !entry.is_empty()) {
        if entry == "*" {
            return None;
        }
        let (host, port) = split_port(entry);
        if port.is_none_or(|port| Some(port) == server.port_or_known_default()) {
            let host = host.trim_start_matches('[').trim_end_matches(']');
            entries.push(host.strip_prefix('*').unwrap_or(host).to_ascii_lowercase());
        }
    }
    Some(entries.join(","))
}

fn split_port(entry: &str) -> (&str, Option<u16>) {
    let split = entry.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match split {
        // `::1` ends in a group of the address, not in a port.
        Some((host, port)) if host.ends_with(']') || !host.contains(':') => (host, Some(port)),
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxy_for(server: &str, variables: &[(&str, &str)]) -> Result<Option<String>, Error> {
        let server = BaseUrl::parse(server, &[], NameStyle::Snake).unwrap();
        let variable = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned());
        find(&server, NameStyle::Snake, variable).map(|proxy| proxy.map(|proxy| proxy.address()))
    }

    const SERVER: &str = "https://api.celper.ai";

    #[test]
    fn a_proxy_variable_is_read_with_and_without_scheme_and_trimmed() {
        for (value, address) in [
            ("proxy", "proxy"),
            ("proxy:1", "proxy:1"),
            ("http://u:p@proxy", "proxy"),
            ("https://[::1]:8080", "[::1]:8080"),
            ("http://u:%40%2F@10.0.0.1:8080/", "10.0.0.1:8080"),
            ("socks5h://user:hunter2@proxy.example:1080", "proxy.example:1080"),
            ("http://proxy:3128 ", "proxy:3128"),
            ("http://proxy:3128\n", "proxy:3128"),
        ] {
            assert_eq!(proxy_for(SERVER, &[("HTTPS_PROXY", value)]).unwrap().as_deref(), Some(address), "{value:?}");
        }
        assert_eq!(proxy_for(SERVER, &[("HTTP_PROXY", "http://proxy:1")]).unwrap(), None);
        assert_eq!(proxy_for(SERVER, &[("HTTPS_PROXY", " "), ("all_proxy", "proxy:2")]).unwrap().unwrap(), "proxy:2");
    }

    #[test]
    fn a_proxy_variable_that_cannot_be_used_is_refused_by_name_without_being_repeated() {
        for value in [
            "http://user:hunter2/x@proxy.example:3128",
            "http://user:12/hunter2@proxy.example:3128",
            "http://user:hunter2#x@proxy.example:3128",
            "http://user:12?hunter2@proxy.example:3128",
            "\"http://hunter2:3128\"",
            "htpp://hunter2",
            "ftp://hunter2",
            "http://",
            "http://hunter2:99999",
        ] {
            for (name, server) in [("HTTPS_PROXY", SERVER), ("all_proxy", SERVER)] {
                let error = proxy_for(server, &[(name, value)]).unwrap_err().to_string();
                assert!(error.contains(name) && error.contains("NO_PROXY") && !error.contains("hunter2"), "{error}");
                let excluded = [(name, value), ("NO_PROXY", "celper.ai")];
                assert_eq!(proxy_for(server, &excluded).unwrap(), None);
            }
        }
    }

    #[test]
    fn no_proxy_is_read_as_curl_and_go_read_it() {
        let is_direct = |server: &str, list: &str| {
            proxy_for(server, &[("HTTPS_PROXY", "proxy:1"), ("NO_PROXY", list)]).unwrap().is_none()
        };
        for list in [
            "*",
            "x, *",
            "celper.ai",
            ".celper.ai",
            "*.celper.ai",
            "API.celper.ai",
            "api.celper.ai:443",
            "x\napi.celper.ai",
            "x api.celper.ai y",
        ] {
            assert!(is_direct(SERVER, list), "{list:?}");
        }
        for list in ["", "api.celper.ai:8443", "elper.ai", "celper.ai.example", "api"] {
            assert!(!is_direct(SERVER, list), "{list:?}");
        }
        for (server, list) in [
            ("https://10.1.2.3", "10.0.0.0/8"),
            ("https://10.1.2.3:9", "10.1.2.3:9"),
            ("https://[2001:db8::1]", "[2001:db8::1]"),
            ("https://[2001:db8::1]:9", "[2001:db8::1]:9"),
            ("https://[2001:db8::1]", "2001:db8::/32"),
        ] {
            assert!(is_direct(server, list), "{server} {list:?}");
        }
        assert!(!is_direct("https://[2001:db8::1]:9", "[2001:db8::1]:8"));
    }

    #[test]
    fn loopback_is_never_proxied_by_the_environment_nor_by_a_remote_proxy() {
        for server in
            ["http://127.0.0.1:9", "http://127.9.9.9", "https://[::1]:9", "http://localhost:9", "http://a.localhost"]
        {
            for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy"] {
                assert_eq!(proxy_for(server, &[(name, "http://proxy:1")]).unwrap(), None, "{server}");
            }
            let server = BaseUrl::parse(server, &[], NameStyle::Snake).unwrap();
            let used = |proxy| from_option(proxy, &server, NameStyle::Snake).unwrap().is_some();
            assert!(
                !used("http://proxy.example:3128") && used("http://127.0.0.1:3128") && used("socks5://127.0.0.1:1")
            );
        }
    }

    #[test]
    fn plain_http_is_not_proxied() {
        let hosts = [crate::base_url::HttpHost::parse("sandbox", NameStyle::Snake).unwrap()];
        let server = BaseUrl::parse("http://sandbox:8787", &hosts, NameStyle::Snake).unwrap();
        assert!(find(&server, NameStyle::Snake, |_| Some("http://proxy:1".to_owned())).unwrap().is_none());
        assert!(from_option("http://proxy:1", &server, NameStyle::Snake).unwrap().is_none());
    }
}
