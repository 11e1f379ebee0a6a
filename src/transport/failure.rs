//! What a failed exchange means: which side failed, and whether the request left.

use super::error_chain;
use crate::error::{Error, TransportError};

/// Whom an exchange is with, and through whom.
pub(super) struct Peer<'a> {
    pub(super) host: &'a str,
    /// Host and port.
    pub(super) proxy: Option<String>,
}

impl std::fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(proxy) = &self.proxy else { return f.write_str(self.host) };
        write!(f, "{} through the proxy {proxy}", self.host)
    }
}

/// What a failed exchange means; its text names the host and never the address.
pub(super) fn transport_error(error: reqwest::Error, way: &Peer<'_>) -> Error {
    let at_proxy = way.proxy.as_deref().and_then(|proxy| proxy_failure(&error, proxy));
    let error = error.without_url();
    let permanent = error_chain::names_certificate(&error);
    let cause = error_chain::causes(&error).last().map_or_else(|| error.to_string(), ToString::to_string);
    let not_sent = error.is_connect();
    if error.is_timeout() {
        let what = match &way.proxy {
            Some(proxy) if not_sent => format!("no connection through the proxy {proxy}"),
            None if not_sent => format!("no connection to {way}"),
            _ => format!("no answer from {way}"),
        };
        return Error::RequestTimeout(Box::new(TransportError {
            message: format!("{what} within the client's timeout"),
            request_id: None,
            not_sent,
            permanent: false,
        }));
    }
    let what = match at_proxy {
        Some(what) => what,
        None if not_sent => format!("cannot connect to {way}: {cause}"),
        None => format!("the connection broke: {way}: {cause}"),
    };
    let hint = if permanent { "; if a proxy re-signs traffic here, give its certificate as ca_file=..." } else { "" };
    Error::ConnectionFailed(Box::new(TransportError {
        message: format!("{what}{hint}"),
        request_id: None,
        not_sent,
        permanent,
    }))
}

/// What a failed connection means when it is the proxy's failure. The error must still have its address.
pub(crate) fn proxy_failure(error: &reqwest::Error, proxy: &str) -> Option<String> {
    const TUNNEL: &str = "tunnel error: ";
    if !error.is_connect() {
        return None;
    }
    let words: Vec<String> = error_chain::causes(error).map(ToString::to_string).collect();
    let cause = words.last()?;
    match words.iter().find_map(|words| words.strip_prefix(TUNNEL)) {
        Some("proxy authorization required") => {
            Some(format!("the proxy {proxy} wants a user and password: give them as http://user:password@host:port"))
        }
        Some("unsuccessful") => Some(format!("the proxy {proxy} refuses to connect there")),
        Some(_) => Some(format!("cannot connect to the proxy {proxy}: {}", cause.trim_start_matches(TUNNEL))),
        // Plain HTTP has no tunnel: whoever is connected to is the proxy.
        None if error.url().is_some_and(|url| url.scheme() == "http") => {
            Some(format!("cannot connect to the proxy {proxy}: {cause}"))
        }
        None => None,
    }
}
