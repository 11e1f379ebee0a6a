//! A resolver that refuses addresses which are not public.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// For local lookups of names that the proxy resolves.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(3);
/// How many names without a response in time are remembered.
const MAX_UNRESPONSIVE: usize = 1000;
/// Top-level names of private networks.
const PRIVATE: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("{name} resolves to {address}, which is not a public address")]
    Address { name: String, address: IpAddr },
    #[error("{0} is a name used only in private networks")]
    Name(String),
}

/// Resolves names as the system does, and refuses names with an address that is not public.
///
/// The check is part of resolving because a name may resolve differently the second time.
#[derive(Debug, Clone)]
pub(crate) struct PublicOnly {
    api_host: String,
    /// The host of a proxy, which may be private.
    proxy: Option<String>,
}

impl PublicOnly {
    /// `api_host` is exempt, as it is sent the key anyway. If it is not public (a gateway in a company network), all
    /// hosts are exempt.
    pub(crate) fn new(api_host: &str) -> Self {
        Self { api_host: without_brackets(api_host), proxy: None }
    }

    /// Also exempts `proxy` (host and port).
    pub(crate) fn with_proxy(self, proxy: Option<&str>) -> Self {
        let host = |proxy: &str| without_brackets(proxy.rsplit_once(':').map_or(proxy, |(host, _)| host));
        Self { proxy: proxy.map(host), ..self }
    }

    async fn refusal(&self, name: &str, addresses: &[SocketAddr]) -> Option<Refused> {
        let is_exempt = name == self.api_host || self.proxy.as_deref() == Some(name);
        let address = not_public(addresses).filter(|_| !is_exempt)?;
        if lookup(&self.api_host).await.is_ok_and(|own| not_public(&own).is_some()) {
            return None;
        }
        Some(Refused::Address { name: name.to_owned(), address })
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let public = self.clone();
        Box::pin(async move {
            let addresses = lookup(name.as_str()).await?;
            match public.refusal(name.as_str(), &addresses).await {
                Some(refused) => Err(refused.into()),
                None => Ok(into_addrs(addresses)),
            }
        })
    }
}

/// Checks names that a proxy will resolve, by their addresses here: those that the proxy sees are unknown.
#[derive(Debug)]
pub(crate) struct BehindProxy {
    public: PublicOnly,
    /// Names without a response in time, which are not looked up again.
    unresponsive: Mutex<HashSet<String>>,
}

impl BehindProxy {
    /// See [`PublicOnly::new`].
    pub(crate) fn new(api_host: &str) -> Self {
        Self { public: PublicOnly::new(api_host), unresponsive: Mutex::default() }
    }

    /// Refuses a name that has a private address here, or is a private name. Unknown names are left to the proxy.
    pub(crate) async fn check(&self, name: &str) -> Result<(), Refused> {
        let name = without_brackets(name);
        if name == self.public.api_host || name.parse::<IpAddr>().is_ok() {
            return Ok(());
        }
        if let Some(addresses) = self.addresses_of(&name).await {
            return self.public.refusal(&name, &addresses).await.map_or(Ok(()), Err);
        }
        if is_private_name(&name) && !is_private_name(&self.public.api_host) {
            return Err(Refused::Name(name));
        }
        Ok(())
    }

    async fn addresses_of(&self, name: &str) -> Option<Vec<SocketAddr>> {
        if self.unresponsive().contains(name) {
            return None;
        }
        if let Ok(found) = tokio::time::timeout(LOOKUP_TIMEOUT, lookup(name)).await {
            return found.ok().filter(|addresses| !addresses.is_empty());
        }
        let mut unresponsive = self.unresponsive();
        if unresponsive.len() >= MAX_UNRESPONSIVE {
            unresponsive.clear();
        }
        unresponsive.insert(name.to_owned());
        None
    }

    fn unresponsive(&self) -> MutexGuard<'_, HashSet<String>> {
        self.unresponsive.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn without_brackets(host: &str) -> String {
    host.trim_matches(['[', ']']).to_owned()
}

fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    !name.contains('.') || PRIVATE.iter().any(|end| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
}

async fn lookup(name: &str) -> std::io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

fn into_addrs(addresses: Vec<SocketAddr>) -> Addrs {
    Box::new(addresses.into_iter())
}

fn not_public(addresses: &[SocketAddr]) -> Option<IpAddr> {
    addresses.iter().map(SocketAddr::ip).find(|address| !is_public(*address))
}

pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let special = match address.octets() {
        // Shared by carriers (100.64/10) and private (172.16/12).
        [100, second, ..] => second & 0xc0 == 64,
        [172, second, ..] => second & 0xf0 == 16,
        // This host, private, loopback, link-local; protocol assignments, documentation, benchmarks.
        [0 | 10 | 127, ..]
        | [169, 254, ..]
        | [192, 168, ..]
        | [192, 0, 0 | 2, _]
        | [198, 51, 100, _]
        | [203, 0, 113, _]
        | [198, 18 | 19, ..] => true,
        // Multicast, reserved and broadcast.
        [first, ..] => first >= 224,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Embedded IPv4 addresses: mapped, translated (NAT64) and tunnelled (6to4).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        // Protocol assignments (Teredo among them) and documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Only 2000::/3 is allocated.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses_are_accepted() {
        for address in
            ["1.1.1.1", "100.63.0.1", "100.128.0.1", "172.15.0.1", "172.32.0.1", "223.255.255.254", "192.0.1.1"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
        for address in
            ["2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1", "2001:4860:4860::8888"]
        {
            assert!(is_public(address.parse().unwrap()), "{address}");
        }
    }

    #[test]
    fn other_addresses_are_refused() {
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
        for address in [
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(address.parse().unwrap()), "{address}");
        }
    }

    async fn resolve(api_host: &str, name: &str) -> Result<Vec<SocketAddr>, Box<dyn std::error::Error + Send + Sync>> {
        Ok(PublicOnly::new(api_host).resolve(name.parse()?).await?.collect())
    }

    #[tokio::test]
    async fn this_machine_is_refused_by_name() {
        let error = resolve("8.8.8.8", "localhost").await.expect_err("refused");
        let refused = error.downcast_ref::<Refused>().expect("a typed error");
        assert!(matches!(refused, Refused::Address { address, .. } if address.is_loopback()));
        assert!(refused.to_string().contains("localhost"), "{refused}");
    }

    #[tokio::test]
    async fn the_apis_own_network_is_allowed() {
        assert!(!resolve("localhost", "localhost").await.unwrap().is_empty());
        assert!(!resolve("10.0.0.1", "localhost").await.unwrap().is_empty());
        assert!(!resolve("[fd00::1]", "localhost").await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn the_proxys_own_network_is_allowed() {
        let public = PublicOnly::new("8.8.8.8");
        assert!(public.clone().with_proxy(Some("localhost:3128")).resolve("localhost".parse().unwrap()).await.is_ok());
        assert!(public.with_proxy(Some("other:3128")).resolve("localhost".parse().unwrap()).await.is_err());
    }

    #[tokio::test]
    async fn names_that_a_proxy_resolves_are_checked_locally() {
        let behind = BehindProxy::new("8.8.8.8");
        assert!(matches!(behind.check("localhost").await, Err(Refused::Address { .. })));
        for name in ["metadata", "a.localhost", "metadata.google.internal", "printer.local.", "nas.home.arpa"] {
            assert!(behind.check(name).await.is_err(), "{name}");
        }
        // Unknown here, but the proxy may know it.
        assert_eq!(behind.check("files.invalid").await, Ok(()));
        assert_eq!(BehindProxy::new("localhost").check("localhost").await, Ok(()));
        assert_eq!(BehindProxy::new("gateway.corp.internal").check("files.corp.internal").await, Ok(()));
    }
}
