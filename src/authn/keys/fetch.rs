//! Fetching one JWK set, bounded in every direction.
//!
//! In: an address from the configuration. Out: its usable keys and how long the issuer says they are good.
//! Bounded are time, body, redirects and where they lead: TLS is never left, and plain HTTP is for loopback and
//! hosts that the configuration lists.

use std::net::IpAddr;
use std::time::Duration;

use headers::{CacheControl, HeaderMapExt};
use reqwest::header::LOCATION;
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::Settings;
use crate::authn::jwks::{KeySet, KeySetError};
use crate::authn::verify::shown;

/// Why keys were not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("`{address}` is not an http or https address")]
    Address { address: String },
    #[error("`{host}` would be asked without TLS: use https, or list the host in `allow_http`")]
    PlainHttp { host: String },
    #[error("a redirect leads from https to http")]
    Downgrade,
    #[error("more than {limit} redirects")]
    TooManyRedirects { limit: usize },
    #[error("a redirect has no usable `Location`")]
    RedirectNowhere,
    #[error("the issuer answered {status}")]
    Status { status: StatusCode },
    #[error("the answer is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("no answer within {} ms", .limit.as_millis())]
    Timeout { limit: Duration },
    #[error("the issuer could not be asked")]
    Http(#[source] reqwest::Error),
    #[error("this machine cannot ask for keys: {problem}")]
    Client { problem: String },
    #[error(transparent)]
    Keys(#[from] KeySetError),
}

/// What one fetch brought.
#[derive(Debug)]
pub struct Fetched {
    pub keys: KeySet,
    /// From `Cache-Control`; zero when the issuer forbids caching.
    pub max_age: Option<Duration>,
}

/// Fetches JWK sets.
pub struct Fetcher {
    /// A client that could not be made fails each fetch, and never the start.
    client: Result<Client, String>,
    settings: Settings,
}

impl Fetcher {
    pub fn new(settings: Settings) -> Self {
        let client = Client::builder()
            .redirect(redirect::Policy::none())
            .no_proxy()
            .referer(false)
            .user_agent(concat!("cedargate/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| crate::model::with_causes(&error));
        Self { client, settings }
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks an address for its keys.
    ///
    /// # Errors
    /// When a bound is reached, or the answer holds no usable key.
    pub async fn fetch(&self, address: &str) -> Result<Fetched, FetchError> {
        let limit = self.settings.fetch_timeout;
        tokio::time::timeout(limit, self.ask(address)).await.map_err(|_| FetchError::Timeout { limit })?
    }

    async fn ask(&self, address: &str) -> Result<Fetched, FetchError> {
        let client = self.client.as_ref().map_err(|problem| FetchError::Client { problem: problem.clone() })?;
        let mut url = Url::parse(address).map_err(|_| FetchError::Address { address: shown(address) })?;
        check_scheme(&url, &self.settings.allow_http)?;
        for _ in 0..=self.settings.max_redirects {
            let request = client.get(url.clone()).header("accept", "application/jwk-set+json, application/json");
            let response = request.send().await.map_err(|error| FetchError::Http(error.without_url()))?;
            if !response.status().is_redirection() {
                return self.read(response).await;
            }
            url = redirect_target(&url, &response, &self.settings.allow_http)?;
        }
        Err(FetchError::TooManyRedirects { limit: self.settings.max_redirects })
    }

    async fn read(&self, mut response: Response) -> Result<Fetched, FetchError> {
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status { status: response.status() });
        }
        let max_age = response.headers().typed_get::<CacheControl>().as_ref().and_then(max_age);
        let limit = self.settings.max_body_bytes;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| FetchError::Http(error.without_url()))? {
            if body.len() + chunk.len() > limit {
                return Err(FetchError::TooLarge { limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched { keys: KeySet::parse(&body)?, max_age })
    }
}

fn max_age(cache: &CacheControl) -> Option<Duration> {
    if cache.no_store() || cache.no_cache() { Some(Duration::ZERO) } else { cache.max_age() }
}

fn redirect_target(from: &Url, response: &Response, allow_http: &[String]) -> Result<Url, FetchError> {
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let target = location.and_then(|location| from.join(location).ok()).ok_or(FetchError::RedirectNowhere)?;
    check_redirect(from, &target, allow_http)?;
    Ok(target)
}

pub(super) fn check_redirect(from: &Url, target: &Url, allow_http: &[String]) -> Result<(), FetchError> {
    if from.scheme() == "https" && target.scheme() == "http" {
        return Err(FetchError::Downgrade);
    }
    check_scheme(target, allow_http)
}

pub(super) fn check_scheme(url: &Url, allow_http: &[String]) -> Result<(), FetchError> {
    match (url.scheme(), url.host_str()) {
        ("https", Some(_)) => Ok(()),
        ("http", Some(host)) if is_loopback(host) => Ok(()),
        ("http", Some(host)) if allow_http.iter().any(|allowed| is_allowed(allowed, host, url.port())) => Ok(()),
        ("http", Some(host)) => Err(FetchError::PlainHttp { host: shown(host) }),
        _ => Err(FetchError::Address { address: shown(url.as_str()) }),
    }
}

/// `host` allows every port, `host:port` that one.
fn is_allowed(allowed: &str, host: &str, port: Option<u16>) -> bool {
    allowed.eq_ignore_ascii_case(host)
        || port.is_some_and(|port| allowed.eq_ignore_ascii_case(&format!("{host}:{port}")))
}

fn is_loopback(host: &str) -> bool {
    let address = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
