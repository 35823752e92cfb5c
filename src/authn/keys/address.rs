//! Where keys may be fetched from: an address that someone configured in, whether it may be asked out.
//!
//! Whoever administers a tenant names these addresses, and the server asks them from where it stands. So TLS is asked
//! for, and addresses of the machine, of its network and of nobody are refused unless the configuration names them:
//! as written, and again as resolved.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use reqwest::Url;

use super::FetchError;
use crate::authn::verify::shown;

/// Hosts that the configuration names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Vec<Allowed>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Allowed {
    /// A name or an address, on every port or on one.
    Host {
        host: String,
        port: Option<u16>,
    },
    Network {
        address: IpAddr,
        prefix: u8,
    },
}

impl AllowedHosts {
    /// From `host`, `host:port`, `address` and `network/prefix`.
    ///
    /// # Errors
    /// The first text that is none of these.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let one = |text: &String| Allowed::parse(text).ok_or_else(|| text.clone());
        texts.iter().map(one).collect::<Result<_, _>>().map(Self)
    }

    /// These, and this machine.
    #[must_use]
    pub fn and_loopback(mut self) -> Self {
        let network = |address, prefix| Allowed::Network { address, prefix };
        self.0.push(network(IpAddr::V4(Ipv4Addr::LOCALHOST), 8));
        self.0.push(network(IpAddr::V6(Ipv6Addr::LOCALHOST), 128));
        self.0.push(Allowed::Host { host: "localhost".to_owned(), port: None });
        self
    }

    /// Whether the host of an address is named.
    fn names(&self, host: &str, port: Option<u16>) -> bool {
        let host = bare(host);
        self.0.iter().any(|allowed| match allowed {
            Allowed::Host { host: named, port: on } => {
                named.eq_ignore_ascii_case(host) && on.is_none_or(|on| port == Some(on))
            }
            Allowed::Network { .. } => host.parse().is_ok_and(|address| allowed.holds(address)),
        })
    }

    /// Whether an address may be connected to, whatever name led to it.
    pub(super) fn holds(&self, address: IpAddr) -> bool {
        is_public(address) || self.0.iter().any(|allowed| allowed.holds(address))
    }
}

impl Allowed {
    fn parse(text: &str) -> Option<Self> {
        if let Some((address, prefix)) = text.split_once('/') {
            let (address, prefix) = (address.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?);
            return (prefix <= if address.is_ipv4() { 32 } else { 128 }).then_some(Self::Network { address, prefix });
        }
        if let Ok(address) = bare(text).parse::<IpAddr>() {
            return Some(Self::Host { host: address.to_string(), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (bare(host), Some(port.parse().ok()?)),
            None => (text, None),
        };
        let is_host = !host.is_empty() && !host.contains(['/', '@', '?', '#', ' ', '*']);
        is_host.then(|| Self::Host { host: host.to_owned(), port })
    }

    fn holds(&self, address: IpAddr) -> bool {
        match self {
            Self::Host { .. } => false,
            Self::Network { address: network, prefix } => match (network, address.to_canonical()) {
                (IpAddr::V4(network), IpAddr::V4(address)) => {
                    let mask = u32::MAX.checked_shl(32 - u32::from(*prefix)).unwrap_or(0);
                    u32::from(*network) & mask == u32::from(address) & mask
                }
                (IpAddr::V6(network), IpAddr::V6(address)) => {
                    let mask = u128::MAX.checked_shl(128 - u32::from(*prefix)).unwrap_or(0);
                    u128::from(*network) & mask == u128::from(address) & mask
                }
                _ => false,
            },
        }
    }
}

/// How a checked address is to be connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reach {
    /// Wherever its name leads: the configuration names the host.
    Anywhere,
    /// To public addresses, and those of networks that the configuration names.
    Checked,
}

/// Whether an address may be asked, as far as its text says.
pub(super) fn check(url: &Url, allow_http: &[String], allow_hosts: &AllowedHosts) -> Result<Reach, FetchError> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err(FetchError::UserInfo { address: shown_uri(url.as_str()) });
    }
    let not_an_address = || FetchError::Address { address: shown_uri(url.as_str()) };
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(not_an_address)?;
    let port = url.port_or_known_default();
    let is_plain = allow_http.iter().any(|allowed| is_listed(allowed, host, url.port()));
    let is_named = allow_hosts.names(host, port) || is_plain;
    let literal = bare(host).parse::<IpAddr>().ok();
    match url.scheme() {
        "https" => {}
        "http" if is_plain || is_named && is_loopback(host) => {}
        "http" => return Err(FetchError::PlainHttp { host: shown(host) }),
        _ => return Err(not_an_address()),
    }
    if is_named {
        return Ok(Reach::Anywhere);
    }
    match literal {
        Some(address) if !allow_hosts.holds(address) => Err(FetchError::Inside { host: shown(host) }),
        _ => Ok(Reach::Checked),
    }
}

/// `host` allows every port, `host:port` that one.
fn is_listed(allowed: &str, host: &str, port: Option<u16>) -> bool {
    allowed.eq_ignore_ascii_case(host)
        || allowed.eq_ignore_ascii_case(bare(host))
        || port.is_some_and(|port| allowed.eq_ignore_ascii_case(&format!("{host}:{port}")))
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || bare(host).parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Without the brackets that an IPv6 address has in a URL.
fn bare(host: &str) -> &str {
    host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host)
}

/// Whether an address is somebody's on the internet: IANA's registries of special addresses, the other way round.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_special = match (first, second, third) {
        // This network; loopback; link-local, where clouds keep their secrets.
        (0 | 127, ..) | (169, 254, _) => true,
        (10, ..) | (172, 16..=31, _) | (192, 168, _) | (100, 64..=127, _) => true,
        // Protocol assignments, documentation, the old 6to4 relay, benchmarks.
        (192, 0, 0 | 2) | (192, 88, 99) | (198, 18 | 19, _) | (198, 51, 100) | (203, 0, 113) => true,
        // Multicast, reserved, broadcast.
        (224..=255, ..) => true,
        _ => false,
    };
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, third, .., last_but_one, last] = address.segments();
    let bytes = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        Ipv4Addr::new(a, b, c, d)
    };
    if let Some(mapped) = address.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    match (first, second, third) {
        // NAT64 and 6to4 lead to the IPv4 address that they hold.
        (0x64, 0xff9b, 0) => is_public_v4(bytes(last_but_one, last)),
        (0x2002, ..) => is_public_v4(bytes(second, third)),
        // Protocol assignments with Teredo, documentation.
        (0x2001, 0..=0x1ff | 0xdb8, _) | (0x3fff, 0..=0xfff, _) => false,
        // All that is given out to anybody.
        (0x2000..=0x3fff, ..) => true,
        _ => false,
    }
}

/// An address as logs, labels and answers may show it: without what may be a secret in it.
pub fn shown_uri(uri: &str) -> String {
    let (rest, query) = match uri.split_once('?') {
        Some((rest, query)) => (rest, Some(query.split('#').next().unwrap_or_default())),
        None => (uri.split('#').next().unwrap_or_default(), None),
    };
    if let Some((_, behind)) = rest.rsplit_once('@').filter(|_| Url::parse(uri).is_err()) {
        // Nobody can say what of it is a password.
        return shown(&format!("***@{behind}"));
    }
    // What stands before `@` in an authority is a name and a password.
    let mut masked = match rest.split_once("//") {
        Some((scheme, rest)) => {
            let (authority, path) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            let host = authority.rsplit_once('@').map_or(authority.to_owned(), |(_, host)| format!("***@{host}"));
            format!("{scheme}//{host}{path}")
        }
        None => rest.to_owned(),
    };
    if let Some(query) = query {
        let member = |pair: &str| pair.split_once('=').map_or("***".to_owned(), |(name, _)| format!("{name}=***"));
        masked.push('?');
        masked.push_str(&query.split('&').map(member).collect::<Vec<_>>().join("&"));
    }
    shown(&masked)
}

#[cfg(test)]
mod tests;
