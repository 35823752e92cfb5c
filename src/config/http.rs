//! `[http]` and `[ops]`: where to listen, and what peers and requests may take.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::raw::{RawHttp, RawOps};
use crate::listen::{ConnectionLimits, ListenAddresses, OpsAddress, SocketMode, WhenFull};

#[derive(Clone, Debug)]
pub struct HttpConfig {
    pub listen: ListenAddresses,
    pub connections: ConnectionLimits,
    pub max_body_bytes: usize,
    pub max_batch_body_bytes: usize,
    pub at_least_timeout: Duration,
    pub max_batch: usize,
    pub max_questions_body_bytes: usize,
    pub max_in_flight: usize,
    pub request_timeout: Duration,
    pub stop_delay: Duration,
    pub drain_timeout: Duration,
}

impl HttpConfig {
    pub(super) fn read(raw: RawHttp, ops: &RawOps, fault: &mut impl FnMut(&str, String)) -> Self {
        let tcp = raw.bind.parse().unwrap_or_else(|_| {
            fault("http.bind", format!("`{}` is not an address: write `HOST:PORT`, with an IP", raw.bind));
            SocketAddr::from(([127, 0, 0, 1], 0))
        });
        for (key, value, fits) in [
            ("http.header_timeout_seconds", raw.header_timeout_seconds, TIMEOUT_SECONDS),
            ("http.body_timeout_seconds", raw.body_timeout_seconds, TIMEOUT_SECONDS),
            ("http.idle_timeout_seconds", raw.idle_timeout_seconds, TIMEOUT_SECONDS),
            ("http.max_header_bytes", raw.max_header_bytes.into(), HEADER_BYTES),
            ("http.max_streams", raw.max_streams.into(), STREAMS),
            ("http.max_waiting_bodies", raw.max_waiting_bodies as u64, STREAMS),
        ] {
            if !fits.contains(&value) {
                fault(key, format!("must be from {} to {}", fits.start(), fits.end()));
            }
        }
        // One batch must fit, or it could never be read.
        let largest = raw.max_batch_body_bytes.max(raw.max_body_bytes);
        if raw.max_reading_bytes < largest {
            fault("http.max_reading_bytes", "must be at least the largest body that is taken".to_owned());
        }
        let unix = unix_socket(raw.unix_socket, &raw.unix_socket_mode, fault);
        let share = (raw.max_connections / 4).max(LEAST_SHARE);
        Self {
            listen: ListenAddresses { tcp, unix, ops: ops_address(ops, tcp, fault) },
            connections: ConnectionLimits {
                max_connections: raw.max_connections,
                max_connections_per_peer: raw.max_connections_per_peer.unwrap_or(share),
                when_full: WhenFull::Wait,
                header_timeout: Duration::from_secs(raw.header_timeout_seconds),
                idle_timeout: Duration::from_secs(raw.idle_timeout_seconds),
                max_header_bytes: raw.max_header_bytes,
                max_streams: raw.max_streams,
                max_waiting_bodies: raw.max_waiting_bodies,
                body_timeout: Duration::from_secs(raw.body_timeout_seconds),
                max_reading_bytes: raw.max_reading_bytes,
                max_reading_bytes_per_peer: (raw.max_reading_bytes / 4).max(largest),
            },
            max_body_bytes: raw.max_body_bytes,
            max_batch_body_bytes: raw.max_batch_body_bytes,
            at_least_timeout: Duration::from_millis(raw.at_least_timeout_milliseconds),
            max_batch: raw.max_batch,
            max_questions_body_bytes: raw.max_questions_body_bytes,
            max_in_flight: raw.max_in_flight,
            request_timeout: Duration::from_secs(raw.request_timeout_seconds),
            stop_delay: Duration::from_millis(raw.stop_delay_milliseconds),
            drain_timeout: Duration::from_secs(raw.drain_timeout_seconds),
        }
    }
}

/// `off` and an empty text are nowhere; an address that is left out is the default, which may be taken.
fn ops_address(raw: &RawOps, main: SocketAddr, fault: &mut impl FnMut(&str, String)) -> Option<OpsAddress> {
    let Some(text) = &raw.bind else { return Some(OpsAddress { address: DEFAULT_OPS, is_needed: false }) };
    if text.is_empty() || text == "off" {
        return None;
    }
    let Ok(address) = text.parse::<SocketAddr>() else {
        fault("ops.bind", format!("`{text}` is not an address: write `HOST:PORT`, with an IP, or `off`"));
        return None;
    };
    if address == main && address.port() != 0 {
        fault("ops.bind", "is `http.bind` as well: name another port, or `off`".to_owned());
    }
    Some(OpsAddress { address, is_needed: true })
}

fn unix_socket(
    path: Option<PathBuf>,
    mode: &str,
    fault: &mut impl FnMut(&str, String),
) -> Option<(PathBuf, SocketMode)> {
    let mode = SocketMode::parse(mode);
    if mode.is_none() {
        fault("http.unix_socket_mode", "must be a file's mode in octal digits, as `0660`".to_owned());
    }
    if path.as_ref().is_some_and(|path| path.file_name().is_none()) {
        fault("http.unix_socket", "must be the path of a file".to_owned());
    }
    path.zip(mode)
}

const DEFAULT_OPS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8181);
/// A gateway has tens of connections, and few places in all are no reason to refuse it those.
const LEAST_SHARE: usize = 64;
const TIMEOUT_SECONDS: RangeInclusive<u64> = 1..=24 * 60 * 60;
/// hyper reads heads into a buffer that cannot be smaller; far more than a token needs is nobody's head.
const HEADER_BYTES: RangeInclusive<u64> = 8 * 1024..=1024 * 1024;
const STREAMS: RangeInclusive<u64> = 1..=65_536;
