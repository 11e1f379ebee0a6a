//! Which addresses are public, and a resolver that refuses the rest.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// How long a name that a proxy will resolve is looked up here.
const LOOK: Duration = Duration::from_secs(3);
/// How many names are remembered that could not be looked up in time.
const SILENT: usize = 1000;
/// Names that only private networks have.
const PRIVATE: [&str; 4] = ["localhost", "local", "internal", "home.arpa"];

/// Why a name is not connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It leads into a private network.
    #[error("{name} resolves to {address}, which is not a public address")]
    Address {
        /// The name.
        name: String,
        /// Its address.
        address: IpAddr,
    },
    /// It means something only in a private network.
    #[error("{0} is a name of private networks")]
    Name(String),
}

/// Resolves names as the system does, and refuses those with an address that is not public.
///
/// The check sits here, and not before the request, because a name may resolve differently the
/// second time it is asked for.
#[derive(Debug, Clone)]
pub(crate) struct PublicOnly {
    api_host: String,
    /// The host of a proxy that may stand anywhere.
    proxy: Option<String>,
}

impl PublicOnly {
    /// `api_host` is where the key goes anyway: it is exempt, and where it is itself not public
    /// (a gateway in a company's network) so are the others.
    pub(crate) fn new(api_host: &str) -> Self {
        Self { api_host: bare(api_host), proxy: None }
    }

    /// The same for connections to `proxy` (host and port), which is exempt.
    pub(crate) fn with_proxy(self, proxy: Option<&str>) -> Self {
        let host = |proxy: &str| bare(proxy.rsplit_once(':').map_or(proxy, |(host, _)| host));
        Self { proxy: proxy.map(host), ..self }
    }

    /// Why `name` is refused, if one of its addresses is a reason.
    async fn refusal(&self, name: &str, addresses: &[SocketAddr]) -> Option<Refused> {
        let is_exempt = name == self.api_host || self.proxy.as_deref() == Some(name);
        let address = not_public(addresses).filter(|_| !is_exempt)?;
        if look_up(&self.api_host).await.is_ok_and(|own| not_public(&own).is_some()) {
            return None;
        }
        Some(Refused::Address { name: name.to_owned(), address })
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let public = self.clone();
        Box::pin(async move {
            let addresses = look_up(name.as_str()).await?;
            match public.refusal(name.as_str(), &addresses).await {
                Some(refused) => Err(refused.into()),
                None => Ok(listed(addresses)),
            }
        })
    }
}

/// Judges names that a proxy will resolve. What they mean there cannot be known, so what they mean here must do.
#[derive(Debug)]
pub(crate) struct BehindProxy {
    public: PublicOnly,
    /// Names that nobody here answers for, and after which it would be a waste of time to ask again.
    silent: Mutex<HashSet<String>>,
}

impl BehindProxy {
    /// See [`PublicOnly::new`].
    pub(crate) fn new(api_host: &str) -> Self {
        Self { public: PublicOnly::new(api_host), silent: Mutex::default() }
    }

    /// Refuses a name that has a private address here, or that is private by itself. Where nothing is known of it,
    /// the proxy decides.
    pub(crate) async fn check(&self, name: &str) -> Result<(), Refused> {
        let name = bare(name);
        if name == self.public.api_host || name.parse::<IpAddr>().is_ok() {
            return Ok(());
        }
        if let Some(addresses) = self.known(&name).await {
            return self.public.refusal(&name, &addresses).await.map_or(Ok(()), Err);
        }
        if is_private_name(&name) && !is_private_name(&self.public.api_host) {
            return Err(Refused::Name(name));
        }
        Ok(())
    }

    async fn known(&self, name: &str) -> Option<Vec<SocketAddr>> {
        if self.silent().contains(name) {
            return None;
        }
        if let Ok(found) = tokio::time::timeout(LOOK, look_up(name)).await {
            return found.ok().filter(|addresses| !addresses.is_empty());
        }
        let mut silent = self.silent();
        if silent.len() >= SILENT {
            silent.clear();
        }
        silent.insert(name.to_owned());
        None
    }

    fn silent(&self) -> MutexGuard<'_, HashSet<String>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn bare(host: &str) -> String {
    host.trim_matches(['[', ']']).to_owned()
}

fn is_private_name(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    !name.contains('.') || PRIVATE.iter().any(|end| name.strip_suffix(end).is_some_and(|rest| rest.ends_with('.')))
}

async fn look_up(name: &str) -> std::io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((name, 0)).await?.collect())
}

fn listed(addresses: Vec<SocketAddr>) -> Addrs {
    Box::new(addresses.into_iter())
}

fn not_public(addresses: &[SocketAddr]) -> Option<IpAddr> {
    addresses.iter().map(SocketAddr::ip).find(|address| !is_public(*address))
}

/// Whether an address belongs to the open internet.
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
        // An IPv4 address in IPv6 clothes: mapped, translated (NAT64), tunnelled (6to4).
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => {
            is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
        }
        // Protocol assignments (Teredo among them) and documentation.
        [0x2001, second, ..] if second < 0x200 || second == 0xdb8 => false,
        [0x3fff, second, ..] if second < 0x1000 => false,
        // Only 2000::/3 is handed out.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_addresses() {
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
    fn other_addresses() {
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
    async fn names_that_a_proxy_resolves_are_judged_here() {
        let behind = BehindProxy::new("8.8.8.8");
        assert!(matches!(behind.check("localhost").await, Err(Refused::Address { .. })));
        for name in ["metadata", "a.localhost", "metadata.google.internal", "printer.local.", "nas.home.arpa"] {
            assert!(behind.check(name).await.is_err(), "{name}");
        }
        // Nobody answers for it here: the proxy may know it.
        assert_eq!(behind.check("files.invalid").await, Ok(()));
        assert_eq!(BehindProxy::new("localhost").check("localhost").await, Ok(()));
        assert_eq!(BehindProxy::new("gateway.corp.internal").check("files.corp.internal").await, Ok(()));
    }
}
