//! Selects the proxy for a URL: the configured one, or else one from the environment.

use std::fmt;

use base64::prelude::{BASE64_STANDARD, Engine};
use http::Uri;
use hyper_util::client::proxy::matcher::Matcher;
use url::Url;

use crate::error::{Error, Result};
use crate::redact::url_for_message;
use crate::secrets::Secret;
use crate::secrets::unescaped;

/// Variables that name a proxy. The first spelling that is set counts, even if it is empty.
const HTTP: [&str; 2] = ["HTTP_PROXY", "http_proxy"];
const HTTPS: [&str; 2] = ["HTTPS_PROXY", "https_proxy"];
const ALL: [&str; 2] = ["ALL_PROXY", "all_proxy"];
const EXCEPTIONS: [&str; 2] = ["NO_PROXY", "no_proxy"];
/// Set for CGI programs, whose visitors can set `HTTP_PROXY` with a request header.
const CGI: &str = "REQUEST_METHOD";

/// A shorter user name may be an ordinary word, and is not masked.
const MIN_SECRET_USER: usize = 8;

pub(crate) struct Proxies {
    given: Option<(Secret, Matcher)>,
    system: Matcher,
    /// Why the environment's proxy for a scheme cannot be used.
    http_fault: Option<String>,
    https_fault: Option<String>,
    /// Knows only the hosts excluded from the environment's proxies.
    exceptions: Matcher,
    secrets: Vec<String>,
}

impl Proxies {
    /// Uses `given`, or else the environment. Errors in the environment are reported when its proxy is needed.
    pub(crate) fn new(given: Option<Secret>, environment: impl Fn(&str) -> Option<String>) -> Result<Self> {
        if let Some(fault) = given.as_ref().and_then(|given| fault(given.reveal())) {
            return Err(Error::Configuration(format!("proxy {fault}")));
        }
        let first = |names: [&'static str; 2]| {
            let set = names.into_iter().find_map(|name| Some((name, environment(name)?)));
            set.filter(|(_, value)| !value.trim().is_empty())
        };
        let is_off = environment(CGI).is_some();
        let [http, https] = [HTTP, HTTPS].map(|names| first(names).or_else(|| first(ALL)).filter(|_| !is_off));
        let fault_of = |proxy: &Option<(&str, String)>| {
            let (name, value) = proxy.as_ref()?;
            fault(value).map(|fault| format!("{name} {fault}; correct the variable or unset it"))
        };
        let exceptions = first(EXCEPTIONS).map(|(_, hosts)| hosts).unwrap_or_default();
        let secrets = [given.as_ref().map(Secret::reveal), value_of(http.as_ref()), value_of(https.as_ref())];
        let secrets = secrets.into_iter().flatten().flat_map(secrets_of).collect();
        let given = given.map(|given| {
            let matcher = Matcher::builder().all(given.reveal()).build();
            (given, matcher)
        });
        Ok(Self {
            given,
            system: Matcher::from_system(),
            http_fault: fault_of(&http),
            https_fault: fault_of(&https),
            exceptions: Matcher::builder().all("http://proxy.invalid").no(exceptions).build(),
            secrets,
        })
    }

    /// The configured proxy, which takes precedence over the environment.
    pub(crate) fn given(&self) -> Option<&Secret> {
        self.given.as_ref().map(|(address, _)| address)
    }

    /// Host and port of the proxy for `url`.
    pub(crate) fn before(&self, url: &Url) -> Result<Option<String>> {
        let Ok(uri) = url.as_str().parse::<Uri>() else { return Ok(None) };
        let of = |proxies: &Matcher| proxies.intercept(&uri)?.uri().authority().map(ToString::to_string);
        if let Some((_, given)) = &self.given {
            return Ok(of(given));
        }
        let fault = if url.scheme() == "https" { &self.https_fault } else { &self.http_fault };
        match fault {
            Some(fault) if self.exceptions.intercept(&uri).is_some() => Err(Error::Configuration(fault.clone())),
            _ => Ok(of(&self.system)),
        }
    }

    /// User names, passwords, and the credentials as they are sent.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &str> {
        self.secrets.iter().map(String::as_str)
    }
}

impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies").field("given", &self.given).field("system", &self.system).finish_non_exhaustive()
    }
}

fn value_of<'a>(variable: Option<&'a (&str, String)>) -> Option<&'a str> {
    variable.map(|(_, value)| value.as_str())
}

/// Why an address cannot be used as a proxy. Accepts exactly what the HTTP client accepts.
fn fault(address: &str) -> Option<String> {
    let shown = url_for_message(address);
    let wrong = || Some(format!("{shown:?} is not an http(s) URL such as http://proxy.example:3128"));
    let anywhere = Uri::from_static("http://anywhere.invalid/");
    let Some(proxy) = Matcher::builder().all(address).build().intercept(&anywhere) else { return wrong() };
    let uri = proxy.uri();
    if uri.scheme_str().is_some_and(|scheme| scheme.starts_with("socks")) {
        return Some(format!("{shown:?} is a SOCKS proxy; only HTTP proxies are supported"));
    }
    let host = uri.host().unwrap_or_default();
    let port = uri.authority().and_then(|authority| authority.as_str().strip_prefix(host));
    let has_port = port.is_some_and(|port| port.is_empty() || uri.port_u16().is_some_and(|port| port > 0));
    if host.is_empty() || !has_port { wrong() } else { None }
}

/// The secret parts of a proxy's address.
fn secrets_of(address: &str) -> Vec<String> {
    let authority = address.split_once("://").map_or(address, |(_, rest)| rest);
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((credentials, _)) = authority.rsplit_once('@') else { return Vec::new() };
    let (user, password) = credentials.split_once(':').unwrap_or((credentials, ""));
    let plain = |text: &str| String::from_utf8_lossy(&unescaped(text.as_bytes())).into_owned();
    let sent = BASE64_STANDARD.encode(format!("{}:{}", plain(user), plain(password)));
    let user = (user.len() >= MIN_SECRET_USER || password.is_empty()).then(|| user.to_owned());
    user.into_iter().chain([password.to_owned(), sent]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(given: Option<&str>, variables: &'static [(&str, &str)]) -> Result<Proxies> {
        let named =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        Proxies::new(given.map(Secret::new), named)
    }

    fn before(proxies: &Proxies, url: &str) -> Result<Option<String>> {
        proxies.before(&Url::parse(url).unwrap())
    }

    #[test]
    fn invalid_proxies_are_rejected() {
        for good in ["http://a:3128", "https://a", "a:3128", "a", "http://u:p%40@a:1/", "http://[::1]:3128", "HTTP://A"]
        {
            assert_eq!(fault(good), None, "{good}");
        }
        for bad in [
            ":::",
            "ftp://a",
            "http://",
            "http://a:99999",
            "http://a:b",
            "http://a b",
            "http://:3128",
            "/a",
            "http:/a",
            "http://a:0",
        ] {
            assert!(fault(bad).unwrap().contains("is not an http(s) URL"), "{bad}");
        }
        for socks in ["socks5://a:1080", "socks5h://a", "socks4://a", "socks4a://a"] {
            assert!(fault(socks).unwrap().contains("SOCKS"), "{socks}");
        }
    }

    #[test]
    fn an_invalid_proxy_variable_fails_only_where_it_applies() {
        let proxies = proxies(None, &[("HTTPS_PROXY", "ftp://u:SECRET@a"), ("NO_PROXY", "b.example")]).unwrap();
        let error = before(&proxies, "https://a.example/").unwrap_err().to_string();
        assert!(error.contains("HTTPS_PROXY") && !error.contains("SECRET"), "{error}");
        assert!(before(&proxies, "https://b.example/").is_ok());
        assert!(before(&proxies, "http://a.example/").is_ok());
    }

    #[test]
    fn all_proxy_applies_to_both_schemes() {
        let both = proxies(None, &[("all_proxy", "socks5://a:1080")]).unwrap();
        assert!(before(&both, "https://a.example/").is_err() && before(&both, "http://a.example/").is_err());
        let one = proxies(None, &[("ALL_PROXY", ":::"), ("http_proxy", "http://a:1")]).unwrap();
        assert!(before(&one, "https://a.example/").is_err() && before(&one, "http://a.example/").is_ok());
        let empty = proxies(None, &[("HTTPS_PROXY", ""), ("https_proxy", ":::")]).unwrap();
        assert!(before(&empty, "https://a.example/").is_ok());
        let for_visitors = proxies(None, &[("HTTPS_PROXY", ":::"), ("REQUEST_METHOD", "GET")]).unwrap();
        assert!(before(&for_visitors, "https://a.example/").is_ok());
    }

    #[test]
    fn a_configured_proxy_overrides_the_environment() {
        let proxies = proxies(Some("http://u:SECRET@a:3128/"), &[("HTTPS_PROXY", ":::"), ("NO_PROXY", "*")]).unwrap();
        for url in ["https://b.example/", "http://127.0.0.1/"] {
            assert_eq!(before(&proxies, url).unwrap().as_deref(), Some("a:3128"));
        }
        assert!(!format!("{proxies:?}").contains("SECRET"));
    }

    #[test]
    fn proxy_credentials_are_secrets_in_every_form() {
        let known = |address| secrets_of(address).join(" ");
        assert_eq!(known("http://me:p%40ss@a:1"), "p%40ss bWU6cEBzcw==");
        assert_eq!(known("long-user-name:word@a:1"), "long-user-name word bG9uZy11c2VyLW5hbWU6d29yZA==");
        assert_eq!(known("http://token@a").split(' ').next(), Some("token"));
        assert_eq!(known("http://a:1/@"), "");
    }
}
