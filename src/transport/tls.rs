//! The base configuration of every HTTP client: certificates, proxies, timeouts and user agent.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Proxy};

use super::error_chain;
use crate::config::Config;
use crate::error::{Error, Result};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The part of the timeout for connecting. It must end before the timeout, which would not show that nothing was sent.
const CONNECT_PART: f64 = 0.8;

/// Of a response over HTTP/1. Each attempt to parse headers allocates space for all of them.
const MAX_HEADERS: usize = 2000;
/// Over HTTP/2; the same limit as over HTTP/1.
const MAX_HEADER_BYTES: u32 = 400 << 10;

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Those of the system and those of `ca_file`.
    System,
    /// Those of `ca_file` alone, so that plain HTTP needs no certificate store.
    Given,
}

/// A client for the API. The environment's proxies are not used for an API on this machine.
pub(crate) fn builder(config: &Config) -> Result<ClientBuilder> {
    let plain = config.is_loopback() && config.base_url.scheme() == "http";
    let builder = trusting(config, if plain { Trust::Given } else { Trust::System })?;
    Ok(if config.is_loopback() && config.proxies.given().is_none() { builder.no_proxy() } else { builder })
}

/// Uses the configured proxy, or else the environment's.
pub(crate) fn trusting(config: &Config, trust: Trust) -> Result<ClientBuilder> {
    // An error means that a provider is already installed, which also works.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let certificates = certificates(config)?;
    let builder = Client::builder()
        .user_agent(concat!("vidjob/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT.min(config.timeout.mul_f64(CONNECT_PART)))
        .redirect(Policy::none())
        .referer(false)
        .tcp_nodelay(true)
        // An invalid header must not lose a paid job.
        .http1_max_headers(MAX_HEADERS)
        .http1_ignore_invalid_headers_in_responses(true)
        .http1_allow_obsolete_multiline_headers_in_responses(true)
        .http1_allow_spaces_after_header_name_in_responses(true)
        .http2_max_header_list_size(MAX_HEADER_BYTES);
    let builder = match trust {
        Trust::System => builder.tls_certs_merge(certificates),
        Trust::Given => builder.tls_certs_only(certificates),
    };
    match config.proxies.given() {
        None => Ok(builder),
        Some(proxy) => Ok(builder.proxy(
            Proxy::all(proxy.reveal())
                .map_err(|error| Error::Configuration(format!("proxy: {}", error_chain::describe(&error))))?,
        )),
    }
}

/// An error is nearly always a missing certificate store.
pub(crate) fn build(builder: ClientBuilder) -> Result<Client> {
    builder.build().map_err(|error| {
        Error::Configuration(format!(
            "could not set up HTTPS ({}); if this system has no CA certificates, install them (on Debian: \
             ca-certificates), set SSL_CERT_FILE to a PEM file, or pass ca_file=...",
            error_chain::describe(&error)
        ))
    })
}

fn certificates(config: &Config) -> Result<Vec<Certificate>> {
    let Some(pem) = &config.ca_pem else { return Ok(Vec::new()) };
    let certificates = Certificate::from_pem_bundle(pem).map_err(|error| {
        Error::Configuration(format!("ca_file is not a readable PEM file: {}", error_chain::describe(&error)))
    })?;
    if certificates.is_empty() {
        return Err(Error::Configuration("ca_file contains no PEM certificate".into()));
    }
    Ok(certificates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::secrets::Secret;

    fn config(base_url: &str) -> Config {
        let settings =
            Settings { api_key: Some(Secret::new("k")), base_url: Some(base_url.into()), ..Settings::default() };
        Config::resolve(settings, |_| None).unwrap()
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let cases: [&[u8]; 3] = [b"", b"just words", b"-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"];
        for pem in cases {
            let config = Config { ca_pem: Some(pem.to_vec()), ..config("https://api.x.ai/v1") };
            let error = builder(&config).expect_err("refused");
            assert!(matches!(&error, Error::Configuration(message) if message.contains("ca_file")), "{error:?}");
        }
    }

    #[test]
    fn an_invalid_certificate_is_a_configuration_error() {
        let pem = b"-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        let config = Config { ca_pem: Some(pem.to_vec()), ..config("https://api.x.ai/v1") };
        let error = builder(&config).and_then(build).expect_err("refused");
        assert!(matches!(error, Error::Configuration(_)), "{error:?}");
    }

    const BARE: &str = "VIDJOB_TEST_BARE_SYSTEM";

    /// Runs in a process of its own, whose environment names an empty certificate store.
    #[test]
    fn the_error_of_a_system_without_certificates_has_advice() {
        if std::env::var_os(BARE).is_none() {
            let empty = tempfile::tempdir().unwrap();
            let output = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "transport::tls::tests::the_error_of_a_system_without_certificates_has_advice"])
                .env(BARE, "1")
                .env("SSL_CERT_DIR", empty.path())
                .env_remove("SSL_CERT_FILE")
                .output()
                .unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
            return;
        }
        assert!(builder(&config("http://127.0.0.1:1")).and_then(build).is_ok());
        // Elsewhere the certificates come from the system itself and cannot be hidden.
        if cfg!(target_os = "linux") {
            let error = builder(&config("https://api.x.ai/v1")).and_then(build).expect_err("no certificates");
            assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
        }
    }
}
