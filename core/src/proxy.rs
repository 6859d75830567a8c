//! Which proxy stands between the client and the server.

use http::Uri;
use http::uri::Authority;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use url::Url;

use crate::error::Error;

/// The one that the caller names.
pub(crate) fn named(text: &str) -> Result<Intercept, Error> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some());
    // A path with @ is a password whose / was not escaped.
    let proxy = url.filter(|url| !url.path().contains('@')).and_then(|url| {
        // It is for every server alike.
        Matcher::builder().all(url.as_str()).build().intercept(&Uri::from_static("https://server"))
    });
    proxy.ok_or_else(|| Error::invalid_argument("proxy must be a URL like http://proxy.example:3128"))
}

/// The one that the environment or the system has for a server, if any.
pub(crate) fn of_environment(server: &Uri) -> Result<Option<Intercept>, Error> {
    found(&Matcher::from_system(), server)
}

/// No message repeats the address: where a password has signs that are not escaped, a part of it is taken for that.
fn found(proxies: &Matcher, server: &Uri) -> Result<Option<Intercept>, Error> {
    let Some(proxy) = proxies.intercept(server) else { return Ok(None) };
    let refused = |problem: &str| {
        Err(Error::invalid_argument(format!(
            "the proxy that the environment or the system names {problem}; mend it, pass one as proxy, or name the host of \
             base_url in NO_PROXY"
        )))
    };
    if !matches!(proxy.uri().scheme_str(), Some("http" | "https")) {
        return refused("is a SOCKS proxy, and this client can use http:// and https:// ones");
    }
    let address = proxy.uri().authority().map_or("", Authority::as_str);
    let host = proxy.uri().host().unwrap_or_default();
    let port = address
        .strip_prefix(host)
        .map(|rest| rest.strip_prefix(':').map_or(rest.is_empty(), |port| port.parse::<u16>().is_ok()));
    if host.is_empty() || port != Some(true) {
        return refused("has no readable address; signs in a password are written like %40 for @");
    }
    Ok(Some(proxy))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_of_the_environment_that_cannot_be_used_is_refused_without_being_repeated() {
        let open = |proxy: &str, except: &str| {
            let proxies = Matcher::builder().all(proxy).no(except).build();
            found(&proxies, &Uri::from_static("https://api.celper.ai/"))
        };
        for (proxy, word) in [
            ("socks5h://user:hunter2@proxy.example:1080", "SOCKS"),
            ("http://user:hun@ter2@proxy.example:3128", "%40"),
            ("http://user:hunter2/x@proxy.example:3128", "%40"),
            ("http://user:hunter2#x@proxy.example:3128", "%40"),
        ] {
            let error = open(proxy, "").err().unwrap().to_string();
            assert!(error.contains(word) && error.contains("NO_PROXY") && !error.contains("ter2"), "{error}");
            assert!(open(proxy, "celper.ai").unwrap().is_none());
        }
        for proxy in ["proxy", "proxy:1", "http://u:p@proxy", "https://[::1]:8080", "http://u:%40%2F@10.0.0.1:8080/"] {
            assert!(open(proxy, "").unwrap().is_some(), "{proxy}");
        }
    }
}
