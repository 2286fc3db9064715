//! The host of an address: a name or an IP address, and perhaps a port. Nothing else passes for one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

/// The longest name in DNS, in bytes.
const LONGEST: usize = 253;

/// A host, as `Host` and `Origin` headers and URLs have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Host {
    /// Which machine.
    pub(crate) name: Name,
    /// The port, unless it is the scheme's own.
    pub(crate) port: Option<u16>,
}

/// A machine's name or address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Name {
    /// A name, in lower case.
    Domain(String),
    /// An address.
    Ip(IpAddr),
}

/// A text is no host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected a host, such as backups.example.com, 127.0.0.1:8734 or [::1]:8734")]
pub(crate) struct NoHost;

/// Whether a text is a name that [`Settings::hosts`](super::Settings::hosts) can have: without a scheme, port or path.
pub fn is_host_name(text: &str) -> bool {
    text.parse::<Name>().is_ok()
}

impl Name {
    /// Whether it means this machine, wherever the name is resolved.
    pub(crate) fn is_loopback(&self) -> bool {
        match self {
            Self::Domain(name) => name == "localhost",
            Self::Ip(address) => address.is_loopback(),
        }
    }
}

impl FromStr for Host {
    type Err = NoHost;

    /// Parses `name`, `name:port`, `1.2.3.4:port` or `[::1]:port`. A port is a decimal number from 1 to 65535.
    fn from_str(text: &str) -> Result<Self, NoHost> {
        let (name, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, rest) = rest.split_once(']').ok_or(NoHost)?;
            let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':').ok_or(NoHost)?) };
            (Name::Ip(address.parse::<Ipv6Addr>().map_err(|_| NoHost)?.into()), port)
        } else {
            let (name, port) = text.split_once(':').map_or((text, None), |(name, port)| (name, Some(port)));
            (name.parse()?, port)
        };
        Ok(Self { name, port: port.map(parse_port).transpose()? })
    }
}

impl FromStr for Name {
    type Err = NoHost;

    /// Parses a name or an IPv4 address.
    fn from_str(text: &str) -> Result<Self, NoHost> {
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Ok(Self::Ip(address.into()));
        }
        let is_label = |label: &str| {
            !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
        };
        // Clients take a name that ends in a number for an address, in notations of their own.
        let is_name = text.len() <= LONGEST
            && text.split('.').all(is_label)
            && !text.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if is_name { Ok(Self::Domain(text.to_ascii_lowercase())) } else { Err(NoHost) }
    }
}

fn parse_port(text: &str) -> Result<u16, NoHost> {
    let is_decimal = !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_decimal).ok_or(NoHost)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses_with_a_port() {
        let domain = |name: &str| Name::Domain(name.to_owned());
        for (text, name, port) in [
            ("localhost", domain("localhost"), None),
            ("LocalHost:8734", domain("localhost"), Some(8734)),
            ("Backups.Example.com:443", domain("backups.example.com"), Some(443)),
            ("127.0.0.1:65535", Name::Ip([127, 0, 0, 1].into()), Some(65535)),
            ("[::1]", Name::Ip(Ipv6Addr::LOCALHOST.into()), None),
            ("[2001:DB8::1]:1", Name::Ip(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()), Some(1)),
        ] {
            assert_eq!(text.parse(), Ok(Host { name, port }), "{text}");
        }
    }

    #[test]
    fn nothing_else_passes_for_a_host() {
        for text in [
            "",
            ":80",
            "127.0.0.1:8734.evil.com",
            "127.0.0.1:8734:8734",
            "[::1]evil",
            "[::1].evil.com",
            "[::1]:",
            "[::1",
            "::1",
            "[127.0.0.1]",
            "[localhost]",
            "[fe80::1%eth0]",
            "localhost:",
            "localhost:-1",
            "localhost:+1",
            "localhost:0",
            "localhost:080",
            "localhost:65536",
            "localhost:8734 ",
            " localhost",
            "localhost\t",
            "localhost.",
            "localhost..evil",
            "me@localhost",
            "me:secret@localhost",
            "localhost/",
            "localhost?",
            "localhost#",
            "localhost\\",
            "localhost%00",
            "localhost,evil",
            "127.1",
            "0x7f.1",
            "2130706433",
            "evil.1",
            "127.0.0.256",
            "ⅼocalhost",
        ] {
            assert_eq!(text.parse::<Host>(), Err(NoHost), "{text:?}");
        }
        assert!("a".repeat(LONGEST).parse::<Host>().is_ok() && "a".repeat(LONGEST + 1).parse::<Host>().is_err());
    }
}
