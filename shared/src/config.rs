//! Values that both planes read from flags and `WARDER_*` variables.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use ipnet::IpNet;
use serde::Serialize;

/// A duration with its unit: `30s`, `5m`, `24h`, `30d`.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|error| format!("{error} (write it like 30s, 5m, 24h or 30d)"))
}

/// A size in bytes with its unit: `64KiB`, `4MiB`, or a plain number of bytes.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn size(text: &str) -> Result<usize, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: usize = match unit.trim() {
        "" | "B" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        _ => return Err("write a size like 512KiB or 4MiB".into()),
    };
    number
        .parse::<usize>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .ok_or_else(|| "write a size like 512KiB or 4MiB".into())
}

/// A comma-separated list of networks in CIDR notation, or of single addresses.
///
/// # Errors
/// A sentence that names the entry that is no network.
pub fn network(text: &str) -> Result<IpNet, String> {
    IpNet::from_str(text)
        .or_else(|_| text.parse::<std::net::IpAddr>().map(IpNet::from))
        .map_err(|_| format!("{text:?} is not a network like 10.0.0.0/8 or ::1/128"))
}

/// An external base URL of ours: http or https, a host, no path, query, fragment or user. Written
/// without a trailing slash, and compared in exactly that spelling everywhere.
///
/// # Errors
/// A sentence that says what is wrong with the text.
pub fn base_url(text: &str) -> Result<String, String> {
    let url = url::Url::parse(text).map_err(|error| format!("not a URL: {error}"))?;
    let plain = matches!(url.scheme(), "http" | "https")
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if !plain {
        return Err(
            "expected a base URL like https://gateway.example.com, without path, query or user"
                .into(),
        );
    }
    Ok(crate::egress::origin(&url))
}

/// The addresses that a process listens on, told to whoever started it with ports 0.
#[derive(Debug, Clone, Serialize)]
pub struct BoundAddresses {
    /// Where its users are served.
    pub http: SocketAddr,
    /// Where the other plane is served; the control plane's only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grpc: Option<SocketAddr>,
    /// Where operators look.
    pub admin: SocketAddr,
}

impl BoundAddresses {
    /// Writes them to a file, whole or not at all.
    ///
    /// # Errors
    /// What the system says.
    pub fn write_to(&self, path: &Path) -> std::io::Result<()> {
        let mut partial = PathBuf::from(path).into_os_string();
        partial.push(".partial");
        std::fs::write(&partial, serde_json::to_vec(self)?)?;
        std::fs::rename(&partial, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_carry_their_units() {
        assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
        assert!(duration("90").is_err(), "a number alone has no unit");
        assert_eq!(size("4MiB"), Ok(4 << 20));
        assert_eq!(size("100"), Ok(100));
        assert!(size("4MB").is_err() && size("").is_err() && size("99999999999GiB").is_err());
    }

    #[test]
    fn a_base_url_has_one_spelling() {
        assert_eq!(
            base_url("https://Gateway.Example:443/"),
            Ok("https://gateway.example".into())
        );
        assert_eq!(
            base_url("http://127.0.0.1:7090"),
            Ok("http://127.0.0.1:7090".into())
        );
        for bad in [
            "gateway",
            "ftp://a",
            "https://a/b",
            "https://a?x",
            "https://u@a",
            "https://a#f",
        ] {
            assert!(base_url(bad).is_err(), "{bad}");
        }
    }
}
