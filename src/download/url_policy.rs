//! Which links are followed, and which of them are sent the API key. No I/O.

use std::net::IpAddr;

use url::{Host, Url};

use crate::config::Config;
use crate::error::{DownloadErrorKind, Error, Result};
use crate::redact::{url_for_message, url_without_secrets};
use crate::secrets::Secrets;
use crate::transport::resolver::is_public;

/// Derived from the API's own address.
#[derive(Debug)]
pub(super) struct UrlPolicy {
    base: Url,
    /// A simulator or a gateway on this machine may use plain HTTP.
    on_loopback: bool,
    /// The API is not on a public address, so its links need not be either.
    allow_private: bool,
    secrets: Secrets,
}

impl UrlPolicy {
    pub(super) fn new(config: &Config) -> Self {
        let allow_private =
            config.is_loopback() || literal_address(&config.base_url).is_some_and(|address| !is_public(address));
        let (base, secrets) = (config.base_url.clone(), config.secrets.clone());
        Self { base, on_loopback: config.is_loopback(), allow_private, secrets }
    }

    /// The URL of a link of the service. A link without a host is relative to the API.
    pub(super) fn link(&self, link: &str) -> Result<Url> {
        if link.trim().is_empty() {
            return Err(Error::download(DownloadErrorKind::Other, "the job has no link to download"));
        }
        let mut base = self.base.clone();
        // Without the slash, `join` would replace the last segment of the path.
        base.set_path(&format!("{}/", base.path().trim_end_matches('/')));
        let url = base.join(&self.secrets.link(link));
        let url = url.map_err(|_| unsafe_url(format!("the link {:?} is not a URL", url_for_message(link))))?;
        self.check(url, link)
    }

    /// The target of a redirect.
    pub(super) fn redirect(&self, from: &Url, location: &str) -> Result<Url> {
        let url = from.join(location).map_err(|_| {
            let shown = url_for_message(location);
            unsafe_url(format!("{} redirects to {shown:?}, which is not a URL", url_without_secrets(from)))
        })?;
        if from.scheme() == "https" && url.scheme() != "https" {
            return Err(unsafe_url(format!(
                "{} redirects to {}, which is not https",
                url_without_secrets(from),
                url_without_secrets(&url)
            )));
        }
        self.check(url, location)
    }

    /// Whether `url` is on the API's origin, the only one that is sent the key.
    pub(super) fn is_api(&self, url: &Url) -> bool {
        url.origin() == self.base.origin()
    }

    pub(super) fn allows_private(&self) -> bool {
        self.allow_private
    }

    fn check(&self, url: Url, given: &str) -> Result<Url> {
        let refuse = |why: &str| Err(unsafe_url(format!("the link {:?} {why}", url_for_message(given))));
        if url.scheme() != "https" && !(url.scheme() == "http" && self.on_loopback) {
            return refuse("is not https");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("contains a user name or password");
        }
        if !self.allow_private && literal_address(&url).is_some_and(|address| !is_public(address)) {
            return refuse("leads into a private network");
        }
        Ok(url)
    }
}

pub(super) fn unsafe_url(message: impl Into<String>) -> Error {
    Error::download(DownloadErrorKind::UnsafeUrl, message)
}

fn literal_address(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;
    use crate::secrets::Secret;

    fn policy(base_url: &str) -> UrlPolicy {
        let settings =
            Settings { api_key: Some(Secret::new("k")), base_url: Some(base_url.into()), ..Settings::default() };
        UrlPolicy::new(&Config::resolve(settings, |_| None).unwrap())
    }

    fn public() -> UrlPolicy {
        policy("https://api.cometapi.com/grok/v1")
    }

    fn is_refused(result: &Result<Url>) -> bool {
        matches!(result, Err(Error::Download(error)) if error.kind == DownloadErrorKind::UnsafeUrl)
    }

    #[test]
    fn links_are_resolved_against_the_api() {
        let link = |link| public().link(link).unwrap().to_string();
        assert_eq!(link("https://vidgen.x.ai/a.mp4?sig=1"), "https://vidgen.x.ai/a.mp4?sig=1");
        assert_eq!(link("/v1/videos/x/content"), "https://api.cometapi.com/v1/videos/x/content");
        assert_eq!(link("videos/x/content"), "https://api.cometapi.com/grok/v1/videos/x/content");
        assert_eq!(link("//vidgen.x.ai/a.mp4"), "https://vidgen.x.ai/a.mp4");
    }

    #[test]
    fn unsafe_links_are_refused() {
        for link in [
            "http://vidgen.x.ai/a.mp4",
            "ftp://vidgen.x.ai/a.mp4",
            "file:///etc/passwd",
            "data:video/mp4;base64,AAAA",
            "https://user@vidgen.x.ai/a.mp4",
            "https://:word@vidgen.x.ai/a.mp4",
            "https://127.0.0.1/a",
            "https://2130706433/a",
            "https://0x7f.1/a",
            "https://0177.0.0.1/a",
            "https://10.0.0.1/a",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/a",
            "https://[::ffff:10.0.0.1]/a",
            "https://[fd00::1]/a",
            "https://[not an address",
        ] {
            assert!(is_refused(&public().link(link)), "{link}");
        }
    }

    #[test]
    fn an_empty_link_is_not_reported_as_unsafe() {
        let result = public().link(" ");
        assert!(result.is_err() && !is_refused(&result));
    }

    #[test]
    fn redirects_are_checked_like_links() {
        let from = Url::parse("https://vidgen.x.ai/a/b.mp4").unwrap();
        assert_eq!(public().redirect(&from, "../c.mp4").unwrap().as_str(), "https://vidgen.x.ai/c.mp4");
        assert_eq!(public().redirect(&from, "https://cdn.x.ai/c").unwrap().as_str(), "https://cdn.x.ai/c");
        for location in [
            "http://vidgen.x.ai/a",
            "https://10.0.0.1/",
            "https://169.254.169.254/",
            "https://u:p@cdn.x.ai/",
            "//[::1]/",
        ] {
            assert!(is_refused(&public().redirect(&from, location)), "{location}");
        }
    }

    #[test]
    fn a_redirect_from_https_to_http_is_refused() {
        let policy = policy("http://127.0.0.1:1/v1");
        let from = Url::parse("https://vidgen.x.ai/a").unwrap();
        assert!(is_refused(&policy.redirect(&from, "http://vidgen.x.ai/a")));
        let from = Url::parse("http://127.0.0.1:1/a").unwrap();
        assert!(policy.redirect(&from, "http://127.0.0.1:2/a").is_ok());
    }

    #[test]
    fn a_private_api_may_use_private_links() {
        assert!(policy("http://localhost:1").link("http://127.0.0.1:2/a").is_ok());
        assert!(policy("https://10.0.0.1/v1").link("https://10.0.0.2/a").is_ok());
        assert!(is_refused(&policy("https://10.0.0.1/v1").link("http://10.0.0.2/a")));
    }

    #[test]
    fn the_key_is_sent_to_the_api_alone() {
        let is_api = |link| public().is_api(&Url::parse(link).unwrap());
        assert!(is_api("https://api.cometapi.com/v1/videos/x/content"));
        assert!(is_api("https://api.cometapi.com:443/elsewhere"));
        for other in [
            "http://api.cometapi.com/",
            "https://api.cometapi.com:8443/",
            "https://api.cometapi.com./",
            "https://cdn.api.cometapi.com/",
            "https://vidgen.x.ai/",
        ] {
            assert!(!is_api(other), "{other}");
        }
    }

    #[test]
    fn messages_contain_no_signature() {
        let error = public().link("http://vidgen.x.ai/a.mp4?sig=secret").unwrap_err().to_string();
        assert!(error.contains("vidgen.x.ai/a.mp4") && !error.contains("secret"), "{error}");
    }
}
