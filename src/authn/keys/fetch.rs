//! Fetching one JWK set, bounded in every direction.
//!
//! In: an address from the configuration. Out: its usable keys and how long the issuer says they are good.
//! Bounded are time, body, redirects and where they lead: TLS is never left, and every address is checked, as written
//! and as resolved.

use std::sync::Arc;
use std::time::Duration;

use headers::{CacheControl, HeaderMapExt};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::LOCATION;
use reqwest::{Client, Response, StatusCode, Url, redirect};

use super::Settings;
use super::address::{AllowedHosts, Reach, check, shown_uri};
use crate::authn::jwks::{KeySet, KeySetError};

/// Why keys were not fetched.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    #[error("`{address}` is not an http or https address")]
    Address { address: String },
    #[error("`{host}` would be asked without TLS: use https, or list the host in `keys.allow_http`")]
    PlainHttp { host: String },
    #[error("`{address}` has a user name or password in it: keys are public, and need none")]
    UserInfo { address: String },
    #[error(
        "`{host}` is an address of this machine or network: list it in `keys.allow_hosts` if keys are to come from there"
    )]
    Inside { host: String },
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
    clients: Result<Clients, String>,
    settings: Settings,
}

struct Clients {
    /// Connects wherever a name leads.
    anywhere: Client,
    /// Connects only where it may.
    checked: Client,
}

impl Clients {
    fn build(allow_hosts: &AllowedHosts) -> reqwest::Result<Self> {
        let builder = || {
            Client::builder()
                .redirect(redirect::Policy::none())
                .no_proxy()
                .referer(false)
                .user_agent(concat!("cedargate/", env!("CARGO_PKG_VERSION")))
        };
        let resolver = Arc::new(CheckedNames(allow_hosts.clone()));
        Ok(Self { anywhere: builder().build()?, checked: builder().dns_resolver(resolver).build()? })
    }
}

/// Names become the addresses that may be connected to: what a name led to when somebody looked is not where it leads
/// when the connection is made.
struct CheckedNames(AllowedHosts);

impl Resolve for CheckedNames {
    fn resolve(&self, name: Name) -> Resolving {
        let allowed = self.0.clone();
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let outside: Vec<_> = found.into_iter().filter(|address| allowed.holds(address.ip())).collect();
            if outside.is_empty() {
                return Err(FetchError::Inside { host: name.as_str().to_owned() }.into());
            }
            Ok(Box::new(outside.into_iter()) as Addrs)
        })
    }
}

impl Fetcher {
    pub fn new(settings: Settings) -> Self {
        let clients = Clients::build(&settings.allow_hosts).map_err(|error| crate::model::with_causes(&error));
        Self { clients, settings }
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
        let clients = self.clients.as_ref().map_err(|problem| FetchError::Client { problem: problem.clone() })?;
        let mut url = Url::parse(address).map_err(|_| FetchError::Address { address: shown_uri(address) })?;
        for _ in 0..=self.settings.max_redirects {
            let client = match check(&url, &self.settings.allow_http, &self.settings.allow_hosts)? {
                Reach::Anywhere => &clients.anywhere,
                Reach::Checked => &clients.checked,
            };
            let request = client.get(url.clone()).header("accept", "application/jwk-set+json, application/json");
            let response = request.send().await.map_err(|error| FetchError::Http(error.without_url()))?;
            if !response.status().is_redirection() {
                return self.read(response).await;
            }
            url = redirect_target(&url, &response)?;
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

fn redirect_target(from: &Url, response: &Response) -> Result<Url, FetchError> {
    let location = response.headers().get(LOCATION).and_then(|location| location.to_str().ok());
    let target = location.and_then(|location| from.join(location).ok()).ok_or(FetchError::RedirectNowhere)?;
    check_redirect(from, &target)?;
    Ok(target)
}

/// Where it leads is checked like any address, before it is asked.
pub(super) fn check_redirect(from: &Url, target: &Url) -> Result<(), FetchError> {
    if from.scheme() == "https" && target.scheme() == "http" {
        return Err(FetchError::Downgrade);
    }
    Ok(())
}
