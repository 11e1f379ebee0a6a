//! Classifies failed exchanges: which side failed, and whether the request was sent.

use super::error_chain;
use crate::error::{Error, TransportError};

/// The other side of an exchange, for messages.
pub(super) struct Peer<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    /// Host and port.
    pub(super) proxy: Option<String>,
}

impl std::fmt::Display for Peer<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Some(proxy) = &self.proxy else { return f.write_str(self.host) };
        write!(f, "{} through the proxy {proxy}", self.host)
    }
}

fn not_connected(peer: &Peer<'_>) -> String {
    format!("could not connect to {}:{}", peer.host, peer.port)
}

/// What to do about a service that cannot be reached.
const ADVICE: &str = "; check the address and the network, or run vidjob doctor";

/// The message names the host, but never the URL, which may contain secrets.
pub(super) fn transport_error(error: reqwest::Error, peer: &Peer<'_>) -> Error {
    let at_proxy = peer.proxy.as_deref().and_then(|proxy| proxy_failure(&error, proxy));
    let error = error.without_url();
    let permanent = error_chain::names_certificate(&error);
    let cause = error_chain::causes(&error).last().map_or_else(|| error.to_string(), ToString::to_string);
    let not_sent = error.is_connect();
    if error.is_timeout() {
        let what = match &peer.proxy {
            Some(proxy) if not_sent => format!("could not connect through the proxy {proxy}"),
            None if not_sent => not_connected(peer),
            _ => format!("no response from {peer}"),
        };
        let advice = if not_sent { ADVICE } else { "" };
        return Error::RequestTimeout(Box::new(TransportError {
            message: format!("{what} within the client's timeout{advice}"),
            request_id: None,
            not_sent,
            permanent: false,
        }));
    }
    let what = match at_proxy {
        Some(what) => what,
        None if not_sent => format!("{}: {cause}", not_connected(peer)),
        None => format!("the connection broke before {peer} responded: {cause}"),
    };
    let hint = if permanent {
        "; if a proxy re-signs traffic, pass its certificate as ca_file=..."
    } else if not_sent {
        ADVICE
    } else {
        ""
    };
    Error::ConnectionFailed(Box::new(TransportError {
        message: format!("{what}{hint}"),
        request_id: None,
        not_sent,
        permanent,
    }))
}

/// The message for a connection that failed at the proxy. The error must still have its URL.
pub(crate) fn proxy_failure(error: &reqwest::Error, proxy: &str) -> Option<String> {
    const TUNNEL: &str = "tunnel error: ";
    if !error.is_connect() {
        return None;
    }
    let causes: Vec<String> = error_chain::causes(error).map(ToString::to_string).collect();
    let cause = causes.last()?;
    match causes.iter().find_map(|cause| cause.strip_prefix(TUNNEL)) {
        Some("proxy authorization required") => {
            Some(format!("the proxy {proxy} requires a user and password; pass them as http://user:password@host:port"))
        }
        Some("unsuccessful") => Some(format!("the proxy {proxy} refused the connection to the service")),
        Some(_) => Some(format!("could not connect to the proxy {proxy}: {}", cause.trim_start_matches(TUNNEL))),
        // Plain HTTP has no tunnel, so the connection is to the proxy itself.
        None if error.url().is_some_and(|url| url.scheme() == "http") => {
            Some(format!("could not connect to the proxy {proxy}: {cause}"))
        }
        None => None,
    }
}
