//! Which addresses are public, and a resolver that refuses the rest.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// Why a name is not connected to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{name} resolves to {address}, which is not a public address")]
pub(crate) struct Refused {
    name: String,
    address: IpAddr,
}

/// Resolves names as the system does, and refuses those with an address that is not public.
///
/// The check sits here, and not before the request, because a name may resolve differently the
/// second time it is asked for.
pub(crate) struct PublicOnly {
    api_host: String,
}

impl PublicOnly {
    /// `api_host` is where the key goes anyway: it is exempt, and where it is itself not public
    /// (a gateway in a company's network) so are the others.
    pub(crate) fn new(api_host: &str) -> Self {
        Self { api_host: api_host.trim_matches(['[', ']']).to_owned() }
    }
}

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        let api_host = self.api_host.clone();
        Box::pin(async move {
            let addresses = look_up(name.as_str()).await?;
            if name.as_str() == api_host {
                return Ok(listed(addresses));
            }
            let Some(address) = not_public(&addresses) else { return Ok(listed(addresses)) };
            if look_up(&api_host).await.is_ok_and(|own| not_public(&own).is_some()) {
                return Ok(listed(addresses));
            }
            Err(Refused { name: name.as_str().to_owned(), address }.into())
        })
    }
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
        assert!(refused.address.is_loopback());
        assert!(refused.to_string().contains("localhost"), "{refused}");
    }

    #[tokio::test]
    async fn the_apis_own_network_is_allowed() {
        assert!(!resolve("localhost", "localhost").await.unwrap().is_empty());
        assert!(!resolve("10.0.0.1", "localhost").await.unwrap().is_empty());
        assert!(!resolve("[fd00::1]", "localhost").await.unwrap().is_empty());
    }
}
