//! Client configuration, resolved from arguments, the environment and defaults.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use url::{Host, Url};

use crate::backoff::Backoff;
use crate::error::{Error, Result};
use crate::proxies::Proxies;
use crate::redact::url_for_message;
use crate::secrets::{Secret, Secrets};

/// Used when neither an argument nor the environment names a base URL.
pub const DEFAULT_BASE_URL: &str = "https://api.cometapi.com/grok/v1";
/// xAI documents one request per second for its video models.
const XAI_CREATES_PER_SECOND: f64 = 1.0;

/// Hosts with a key variable of their own. A key is only sent to its host.
const KEY_VARIABLES: [(&str, &str); 2] = [("api.cometapi.com", "COMETAPI_KEY"), (XAI_HOST, "XAI_API_KEY")];
const XAI_HOST: &str = "api.x.ai";
/// Sent to a service on this machine, such as a simulator, if no key is given. It is not a secret.
const PLACEHOLDER_KEY: &str = "simulator";
/// Where the files are served. Its proxy is checked before anything is submitted.
const FILE_SERVER: &str = "https://vidgen.x.ai/";

/// Arguments as given; `None` means the default.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub api_key: Option<Secret>,
    /// `/videos/...` is appended.
    pub base_url: Option<String>,
    /// Seconds for one exchange.
    pub timeout: Option<f64>,
    /// Retries of one idempotent exchange.
    pub max_retries: Option<u32>,
    /// Shared by all calls.
    pub requests_per_second: Option<f64>,
    /// Shared by all calls.
    pub creates_per_second: Option<f64>,
    /// Exchanges in flight.
    pub max_concurrent_requests: Option<usize>,
    pub proxy: Option<String>,
    /// PEM file with additional certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// Sent to the API only.
    pub headers: Vec<(String, String)>,
    pub journal: Option<PathBuf>,
    /// Seconds after which a wait gives up on an unfinished job; `None` is never.
    pub max_job_age: Option<f64>,
    /// Seconds between polls; `None` is adaptive.
    pub poll_interval: Option<f64>,
    /// Seconds before the first retry.
    pub retry_delay: Option<f64>,
}

/// Where the key comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySource {
    Argument,
    /// The environment variable of this name.
    Variable(&'static str),
    /// None was given, and the service is on this machine.
    Placeholder,
}

#[derive(Debug, Clone)]
pub struct Config {
    pub api_key: Secret,
    pub key_source: KeySource,
    /// `/videos/...` is appended. Without trailing slash.
    pub base_url: Url,
    pub timeout: Duration,
    /// Retries of one idempotent exchange.
    pub max_retries: u32,
    /// Shared by all calls.
    pub requests_per_second: Option<f64>,
    /// Shared by all calls.
    pub creates_per_second: Option<f64>,
    /// Exchanges in flight.
    pub max_concurrent_requests: usize,
    /// Additional certificate authorities, PEM.
    pub ca_pem: Option<Vec<u8>>,
    /// Sent to the API only.
    pub headers: HeaderMap,
    /// Directory of the journal of single creates.
    pub journal: Option<PathBuf>,
    pub(crate) proxies: Arc<Proxies>,
    /// Masked in everything that is shown or stored.
    pub(crate) secrets: Secrets,
    pub max_job_age: Option<Duration>,
    /// For waits without an interval of their own; `None` is adaptive.
    pub poll_interval: Option<Duration>,
    pub backoff: Backoff,
}

impl Config {
    /// Validates `settings`, and completes them from `environment` and the defaults.
    pub fn resolve(settings: Settings, environment: impl Fn(&str) -> Option<String>) -> Result<Self> {
        let proxy = settings.proxy.as_deref().map(proxy).transpose()?;
        let proxies = Proxies::new(proxy, &environment)?;
        let environment = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        let base_url = base_url(settings.base_url.or_else(|| environment("VIDJOB_BASE_URL")))?;
        let (api_key, key_source) = api_key(settings.api_key, &base_url, environment)?;
        let creates_per_second = match settings.creates_per_second {
            Some(given) => Some(rate("creates_per_second", given)?),
            None => (base_url.host_str() == Some(XAI_HOST)).then_some(XAI_CREATES_PER_SECOND),
        };
        let headers = headers(&settings.headers)?;
        let is_placeholder = is_loopback(&base_url) && api_key.reveal() == PLACEHOLDER_KEY;
        let key = (!is_placeholder).then(|| api_key.reveal());
        let secrets = key.into_iter().chain(header_secrets(&headers)).chain(proxies.secrets());
        let config = Self {
            secrets: Secrets::new(secrets),
            api_key,
            key_source,
            timeout: duration("timeout", settings.timeout.unwrap_or(60.0))?,
            max_retries: settings.max_retries.unwrap_or(4),
            requests_per_second: settings
                .requests_per_second
                .map(|given| rate("requests_per_second", given))
                .transpose()?,
            creates_per_second,
            max_concurrent_requests: concurrency(settings.max_concurrent_requests.unwrap_or(64))?,
            ca_pem: settings.ca_file.as_deref().map(ca_file).transpose()?,
            headers,
            journal: settings.journal,
            max_job_age: settings.max_job_age.map(max_job_age).transpose()?.flatten(),
            poll_interval: poll_interval(settings.poll_interval, environment)?,
            backoff: match settings.retry_delay {
                Some(given) => Backoff::doubling_from(duration("retry_delay", given)?),
                None => Backoff::default(),
            },
            base_url,
            proxies: Arc::new(proxies),
        };
        config.check_proxies()?;
        Ok(config)
    }

    /// Reports errors in the environment's proxies before anything is submitted.
    fn check_proxies(&self) -> Result<()> {
        if self.is_loopback() {
            return Ok(());
        }
        self.proxies.before(&self.base_url)?;
        Url::parse(FILE_SERVER).map_or(Ok(()), |files| self.proxies.before(&files).map(drop))
    }

    /// Host and port of the proxy for the API.
    pub(crate) fn proxy_before_api(&self) -> Option<String> {
        if self.is_loopback() && self.proxies.given().is_none() {
            return None;
        }
        self.proxies.before(&self.base_url).ok().flatten()
    }

    /// The base URL for display, without trailing slash.
    #[must_use]
    pub fn service(&self) -> &str {
        self.base_url.as_str().trim_end_matches('/')
    }

    /// The URL of `path` below the base URL.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> Url {
        // Parsing the URL again for each poll costs as much as reading the response.
        let mut url = self.base_url.clone();
        url.set_path(&format!("{}{path}", self.base_url.path().trim_end_matches('/')));
        url
    }

    /// Whether the API runs on this machine, as a simulator does.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.base_url)
    }
}

/// Whether `url` leads to this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn base_url(given: Option<String>) -> Result<Url> {
    let given = given.unwrap_or_else(|| DEFAULT_BASE_URL.into());
    let given = given.trim();
    let wrong = |why: &str| {
        Error::Configuration(format!(
            "base_url {:?} {why}; pass a plain http(s) URL such as {DEFAULT_BASE_URL}",
            url_for_message(given)
        ))
    };
    if given.contains(|character: char| character.is_whitespace() || character.is_control()) {
        return Err(wrong("contains whitespace or a control character"));
    }
    let mut url = Url::parse(given).map_err(|_| wrong("is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(wrong("is not an http(s) URL"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("contains a user or password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("contains a query or fragment"));
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

fn api_key(
    given: Option<Secret>,
    base_url: &Url,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<(Secret, KeySource)> {
    if let Some(key) = given {
        return Ok((valid_key("api_key", key.reveal())?, KeySource::Argument));
    }
    if is_loopback(base_url) {
        return Ok((Secret::new(PLACEHOLDER_KEY), KeySource::Placeholder));
    }
    let host = base_url.host_str().unwrap_or_default();
    let is_own_host = base_url.scheme() == "https" && base_url.port().is_none();
    let Some((_, variable)) = KEY_VARIABLES.into_iter().find(|(key_host, _)| is_own_host && *key_host == host) else {
        return Err(Error::Configuration(format!(
            "no API key for {host}: keys from the environment are only sent to their own host \
             (COMETAPI_KEY to https://api.cometapi.com, XAI_API_KEY to https://api.x.ai); pass api_key=... for this base_url"
        )));
    };
    let Some(key) = environment(variable) else {
        return Err(Error::Configuration(format!(
            "no API key: set {variable} in the environment, or pass api_key=...; vidjob.Simulator works without one"
        )));
    };
    Ok((valid_key(variable, &key)?, KeySource::Variable(variable)))
}

/// Rejects keys that cannot be an HTTP header.
fn valid_key(name: &str, key: &str) -> Result<Secret> {
    let key = key.trim();
    if key.is_empty() {
        return Err(Error::Configuration(format!("{name} is empty; pass an API key")));
    }
    if !key.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Error::Configuration(format!(
            "{name} contains a character that is not allowed in an API key; copy only the key itself"
        )));
    }
    Ok(Secret::new(key))
}

fn positive(name: &str, number: f64) -> Result<f64> {
    if number.is_finite() && number > 0.0 {
        return Ok(number);
    }
    Err(Error::Configuration(format!("{name} must be a number above 0, not {number}")))
}

fn duration(name: &str, seconds: f64) -> Result<Duration> {
    Duration::try_from_secs_f64(positive(name, seconds)?)
        .map_err(|_| Error::Configuration(format!("{name} is too long; pass fewer seconds")))
}

fn poll_interval(given: Option<f64>, environment: impl Fn(&str) -> Option<String>) -> Result<Option<Duration>> {
    const VARIABLE: &str = "VIDJOB_POLL_INTERVAL";
    if let Some(given) = given {
        return duration("poll_interval", given).map(Some);
    }
    let Some(text) = environment(VARIABLE) else { return Ok(None) };
    let seconds = text.trim().parse().map_err(|_| {
        Error::Configuration(format!(
            "{VARIABLE} must be a number of seconds, not {:?}",
            crate::redact::shorten(&text, 60)
        ))
    })?;
    duration(VARIABLE, seconds).map(Some)
}

/// A duration beyond the clock's range is no limit.
fn max_job_age(seconds: f64) -> Result<Option<Duration>> {
    if seconds == f64::INFINITY {
        return Ok(None);
    }
    Ok(Duration::try_from_secs_f64(positive("max_job_age", seconds)?).ok())
}

/// The lower bound is one per day.
fn rate(name: &str, number: f64) -> Result<f64> {
    if positive(name, number)? >= 1.0 / 86_400.0 {
        return Ok(number);
    }
    Err(Error::Configuration(format!("{name} must be at least one per day, not {number}")))
}

fn concurrency(number: usize) -> Result<usize> {
    // Far above any useful number, and below the semaphore's own limit.
    if (1..=100_000).contains(&number) {
        return Ok(number);
    }
    Err(Error::Configuration(format!("max_concurrent_requests must be 1 to 100,000, not {number}")))
}

fn proxy(given: &str) -> Result<Secret> {
    let address = Url::parse(given.trim()).map_err(|_| not_a_proxy(given))?;
    let is_proxy = address.has_host() && !given.trim().contains(char::is_whitespace);
    if is_proxy { Ok(Secret::new(address.as_str())) } else { Err(not_a_proxy(given)) }
}

fn not_a_proxy(given: &str) -> Error {
    let shown = url_for_message(given);
    Error::Configuration(format!("proxy {shown:?} is not an http(s) URL such as http://proxy.example:3128"))
}

fn ca_file(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path)
        .map_err(|error| Error::Configuration(format!("ca_file {} cannot be read: {error}", path.display())))
}

fn headers(given: &[(String, String)]) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    for (name, value) in given {
        let wrong = |why: &str| Error::Configuration(format!("header {:?} {why}", crate::redact::shorten(name, 60)));
        let name: HeaderName = name.parse().map_err(|_| wrong("has a name that HTTP does not allow"))?;
        if RESERVED.contains(&name.as_str()) {
            return Err(wrong("is set by the client; remove it, and pass the API key as api_key"));
        }
        let mut value: HeaderValue = value.parse().map_err(|_| wrong("has a value that HTTP does not allow"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

/// The secret parts of headers: each value, the token of `Bearer TOKEN`, and the values of pairs such as
/// `session=TOKEN; user=NAME`.
fn header_secrets(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.values().filter_map(|value| value.to_str().ok()).map(str::trim);
    let parts = values.flat_map(|value| {
        let word = value.rsplit_once(' ').map(|(_, word)| word);
        [Some(value), word].into_iter().flatten().chain(pair_values(value))
    });
    // Short values such as `X-Team: blue` are not secret.
    parts.filter(|secret| secret.len() >= MIN_SECRET_HEADER)
}

/// The values of `name=value` pairs in a header, as in cookies.
fn pair_values(value: &str) -> impl Iterator<Item = &str> {
    let pairs = value.split([';', ',']).filter_map(|pair| pair.split_once('='));
    pairs.map(|(_, value)| value.trim().trim_matches('"'))
}

/// Least length of a header value that is masked.
const MIN_SECRET_HEADER: usize = 8;

const RESERVED: [&str; 5] = ["authorization", "host", "content-length", "content-type", "transfer-encoding"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookie_values_are_secrets() {
        let mut headers = HeaderMap::new();
        headers.insert("cookie", "a=value-one==; theme=dark;b=\"value-two\"".parse().unwrap());
        let secrets = Secrets::new(header_secrets(&headers));
        let text = secrets.hidden_in("value-one== and value-two, theme=dark too".into());
        assert_eq!(text, "*** and ***, theme=dark too");
    }

    fn settings(base_url: Option<&str>, api_key: Option<&str>) -> Settings {
        Settings { base_url: base_url.map(Into::into), api_key: api_key.map(Secret::new), ..Settings::default() }
    }

    fn both_keys(name: &str) -> Option<String> {
        match name {
            "COMETAPI_KEY" => Some("comet-key\n".into()),
            "XAI_API_KEY" => Some("xai-key".into()),
            _ => None,
        }
    }

    #[test]
    fn environment_keys_are_sent_only_to_their_host() {
        let key = |base_url| {
            Config::resolve(settings(base_url, None), both_keys).map(|config| config.api_key.reveal().to_owned())
        };
        assert_eq!(key(None).unwrap(), "comet-key");
        assert_eq!(key(Some("https://api.x.ai/v1/")).unwrap(), "xai-key");
        for elsewhere in [
            "https://example.com/v1",
            "http://api.cometapi.com/grok/v1",
            "https://api.cometapi.com:8443/grok/v1",
            "https://api.cometapi.com.evil.example/v1",
            "http://localhost.example/v1",
            "http://127.0.0.1.example/v1",
            "http://10.0.0.1:8000",
            "http://0.0.0.0:8000",
        ] {
            assert!(matches!(key(Some(elsewhere)), Err(Error::Configuration(_))), "{elsewhere}");
        }
    }

    #[test]
    fn a_service_on_this_machine_gets_the_placeholder_and_no_key_of_the_environment() {
        for base_url in [
            "http://127.0.0.1:8000",
            "https://localhost/grok/v1",
            "http://[::1]:9",
            "http://api.localhost",
            "http://127.9.9.9",
        ] {
            let config = Config::resolve(settings(Some(base_url), None), both_keys).unwrap();
            assert_eq!((config.api_key.reveal(), config.key_source), (PLACEHOLDER_KEY, KeySource::Placeholder));
            assert_eq!(config.secrets.hidden_in("a simulator".into()), "a simulator");
            let config = Config::resolve(settings(Some(base_url), Some("sk-key-0123")), both_keys).unwrap();
            assert_eq!((config.api_key.reveal(), config.key_source), ("sk-key-0123", KeySource::Argument));
            assert_eq!(config.secrets.hidden_in("a sk-key-0123".into()), "a ***");
            let empty = Config::resolve(settings(Some(base_url), Some(" ")), both_keys);
            assert!(matches!(empty, Err(Error::Configuration(_))));
        }
    }

    #[test]
    fn the_placeholder_is_a_secret_elsewhere() {
        let hidden = |base_url| {
            let config = Config::resolve(settings(Some(base_url), Some(PLACEHOLDER_KEY)), |_| None).unwrap();
            config.secrets.hidden_in("bad key simulator.".into())
        };
        assert_eq!(hidden("https://a.example"), "bad key ***.");
        assert_eq!(hidden("http://127.0.0.1:1"), "bad key simulator.");
    }

    #[test]
    fn the_poll_interval_can_come_from_the_environment() {
        let interval = |given, text: &str| {
            let settings = Settings { poll_interval: given, ..settings(None, Some("k")) };
            let environment = |name: &str| (name == "VIDJOB_POLL_INTERVAL").then(|| text.to_owned());
            Config::resolve(settings, environment).map(|config| config.poll_interval)
        };
        assert_eq!(interval(None, " 0.5 ").unwrap(), Some(Duration::from_millis(500)));
        assert_eq!(interval(Some(2.0), "0.5").unwrap(), Some(Duration::from_secs(2)));
        assert_eq!(interval(None, " ").unwrap(), None);
        for wrong in ["soon", "0", "-1", "nan", "inf", "1e300"] {
            let error = interval(None, wrong).unwrap_err().to_string();
            assert!(error.contains("VIDJOB_POLL_INTERVAL"), "{error}");
        }
    }

    #[test]
    fn a_missing_key_error_names_the_variable() {
        let message = |base_url| Config::resolve(settings(base_url, None), |_| None).unwrap_err().to_string();
        assert!(message(None).contains("COMETAPI_KEY"));
        assert!(message(Some("https://api.x.ai/v1")).contains("XAI_API_KEY"));
    }

    #[test]
    fn base_urls() {
        for bad in [
            "",
            "api.x.ai/v1",
            "ftp://a/b",
            "https://u:p@a.example/",
            "https://a.example/?q=1",
            "file:///etc/passwd",
            "https://a.exa mple/",
            "https://a.example/v 1",
            "https://a.exa\nmple/",
        ] {
            let error = Config::resolve(settings(Some(bad), Some("k")), |_| None).unwrap_err().to_string();
            let shown = bad.replace("u:p", "…").replace("?q=1", "?…");
            assert!(error.contains(&format!("{shown:?}")), "{error}");
        }
        let config = Config::resolve(settings(Some("https://a.example/v1///"), Some("k")), |_| None).unwrap();
        assert_eq!(config.service(), "https://a.example/v1");
        assert_eq!(config.endpoint("/videos/x").as_str(), "https://a.example/v1/videos/x");
        let config = Config::resolve(settings(Some("http://localhost:1"), Some("k")), |_| None).unwrap();
        assert_eq!(config.service(), "http://localhost:1");
        assert_eq!(config.endpoint("/videos/x").as_str(), "http://localhost:1/videos/x");
        assert!(config.is_loopback());
    }

    #[test]
    fn base_url_can_come_from_the_environment() {
        let config = Config::resolve(settings(None, Some("k")), |name| {
            (name == "VIDJOB_BASE_URL").then(|| "http://[::1]:9/x".into())
        });
        assert!(config.unwrap().is_loopback());
    }

    #[test]
    fn max_job_age_is_applied() {
        let age = |max_job_age| {
            let settings = Settings { max_job_age, ..settings(None, Some("k")) };
            Config::resolve(settings, |_| None).unwrap().max_job_age
        };
        assert_eq!(age(Some(1.5)), Some(Duration::from_millis(1500)));
        for none in [None, Some(f64::INFINITY), Some(1e300)] {
            assert_eq!(age(none), None);
        }
    }

    #[test]
    fn debug_output_hides_the_key() {
        let settings = Settings {
            proxy: Some("http://u:very@a".into()),
            headers: vec![("x-a".into(), "very-secret".into())],
            ..settings(None, Some("sk-very-secret"))
        };
        let config = Config::resolve(settings, |_| None).unwrap();
        assert!(!format!("{config:?}").contains("very"));
    }

    #[test]
    fn creates_are_rate_limited_by_default_only_on_xai() {
        let rate = |base_url| Config::resolve(settings(base_url, Some("k")), |_| None).unwrap().creates_per_second;
        assert_eq!(rate(Some("https://api.x.ai/v1")), Some(1.0));
        assert_eq!(rate(None), None);
    }

    #[test]
    fn invalid_settings_are_rejected() {
        let refused = |change: fn(&mut Settings)| {
            let mut settings = settings(None, Some("k"));
            change(&mut settings);
            matches!(Config::resolve(settings, |_| None), Err(Error::Configuration(_)))
        };
        assert!(refused(|s| s.timeout = Some(0.0)));
        assert!(refused(|s| s.timeout = Some(f64::NAN)));
        assert!(refused(|s| s.timeout = Some(1e300)));
        assert!(refused(|s| s.requests_per_second = Some(-1.0)));
        assert!(refused(|s| s.requests_per_second = Some(1e-300)));
        assert!(refused(|s| s.creates_per_second = Some(1e-19)));
        assert!(refused(|s| s.max_concurrent_requests = Some(0)));
        assert!(refused(|s| s.max_job_age = Some(0.0)));
        assert!(refused(|s| s.max_job_age = Some(f64::NAN)));
        assert!(refused(|s| s.poll_interval = Some(0.0)));
        assert!(refused(|s| s.poll_interval = Some(f64::INFINITY)));
        assert!(refused(|s| s.retry_delay = Some(0.0)));
        assert!(refused(|s| s.retry_delay = Some(1e300)));
        assert!(refused(|s| s.proxy = Some("nonsense".into())));
        assert!(refused(|s| s.ca_file = Some("/nowhere/ca.pem".into())));
        assert!(refused(|s| s.headers = vec![("Authorization".into(), "x".into())]));
        assert!(refused(|s| s.headers = vec![("a b".into(), "x".into())]));
        assert!(refused(|s| s.api_key = Some(Secret::new("two words"))));
        assert!(refused(|s| s.api_key = Some(Secret::new(""))));
    }
}
