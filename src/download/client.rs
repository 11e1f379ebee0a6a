//! The HTTP client for files: without cookies, without extra headers, and with the API key for the API alone.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use http::header::{ACCEPT, ACCEPT_ENCODING};
use reqwest::{Client, RequestBuilder};
use url::Url;

use super::url_policy::{UrlPolicy, unsafe_url};
use crate::config::{Config, is_loopback};
use crate::error::{Error, Result, TransportError};
use crate::redact::url_without_secrets;
use crate::transport::failure::proxy_failure;
use crate::transport::resolver::{BehindProxy, PublicOnly};
use crate::transport::tls::{self, Trust};

#[derive(Debug)]
pub(super) struct FileClient {
    config: Config,
    url_policy: UrlPolicy,
    behind_proxy: BehindProxy,
    clients: Mutex<HashMap<Route, Client>>,
}

/// How a host is reached. Each route has an HTTP client of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Route {
    /// Host and port of the proxy that resolves the name.
    proxy: Option<String>,
    encrypted: bool,
}

impl FileClient {
    pub(super) fn new(config: &Config) -> Result<Self> {
        let client = Self {
            config: config.clone(),
            url_policy: UrlPolicy::new(config),
            behind_proxy: BehindProxy::new(config.base_url.host_str().unwrap_or_default()),
            clients: Mutex::default(),
        };
        // A faulty configuration must show before anything is paid for.
        client.client(client.route(&config.base_url)?)?;
        Ok(client)
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn url_policy(&self) -> &UrlPolicy {
        &self.url_policy
    }

    /// A request for `url`, with the key if `url` is the API's.
    pub(super) async fn get(&self, url: &Url) -> Result<RequestBuilder> {
        let route = self.route(url)?;
        if route.proxy.is_some() && !self.url_policy.allows_private() {
            let allowed = self.behind_proxy.check(url.host_str().unwrap_or_default()).await;
            allowed.map_err(|refused| unsafe_url(format!("refused {}: {refused}", url_without_secrets(url))))?;
        }
        let request = self.client(route)?.get(url.clone());
        let request = request.header(ACCEPT, "*/*").header(ACCEPT_ENCODING, "identity");
        if !self.url_policy.is_api(url) {
            return Ok(request);
        }
        Ok(request.bearer_auth(self.config.api_key.reveal()))
    }

    fn route(&self, url: &Url) -> Result<Route> {
        let config = &self.config;
        let is_direct = config.proxies.given().is_none() && is_loopback(url);
        let proxy = if is_direct { None } else { config.proxies.before(url)? };
        Ok(Route { proxy, encrypted: url.scheme() == "https" })
    }

    /// The error of a connection that failed at the proxy.
    pub(super) fn proxy_failure(&self, url: &Url, error: &reqwest::Error) -> Option<Error> {
        let message = proxy_failure(error, &self.route(url).ok()?.proxy?)?;
        let failure = TransportError { message, request_id: None, not_sent: true, permanent: false };
        Some(Error::ConnectionFailed(Box::new(failure)))
    }

    /// Built on first use: loading the certificate store takes a while.
    fn client(&self, route: Route) -> Result<Client> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&route) {
            return Ok(client.clone());
        }
        let client = self.build(&route)?;
        clients.insert(route, client.clone());
        Ok(client)
    }

    fn build(&self, route: &Route) -> Result<Client> {
        let trust = if route.encrypted { Trust::System } else { Trust::Given };
        // Limits the silence within a response, not the whole download.
        let mut builder = tls::trusting(&self.config, trust)?.read_timeout(self.config.timeout);
        if route.proxy.is_none() {
            builder = builder.no_proxy();
        }
        if !self.url_policy.allows_private() {
            let public = PublicOnly::new(self.config.base_url.host_str().unwrap_or_default());
            builder = builder.dns_resolver(public.with_proxy(route.proxy.as_deref()));
        }
        tls::build(builder)
    }
}
