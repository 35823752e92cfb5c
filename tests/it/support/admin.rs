//! Whoever administers a tenant: what they present, and the verbs below `/tenants/{tenant}`.

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde_json::Value;

use super::server::reply;
use super::{Reply, TestServer};

/// One caller of the admin API, and the tenant that they mean.
#[derive(Clone, Debug)]
pub struct AdminClient {
    client: reqwest::Client,
    url: String,
    tenant: String,
    headers: Vec<(String, String)>,
}

impl AdminClient {
    /// With nothing to show.
    pub fn nobody(server: &TestServer, tenant: &str) -> Self {
        let (client, url) = (server.client.clone(), server.url.clone());
        Self { client, url, tenant: tenant.to_owned(), headers: Vec::new() }
    }

    pub fn with_key(server: &TestServer, tenant: &str, key: &str) -> Self {
        Self::nobody(server, tenant).and("x-cedargate-key", key)
    }

    pub fn with_token(server: &TestServer, tenant: &str, token: &str) -> Self {
        Self::nobody(server, tenant).and("authorization", &format!("Bearer {token}"))
    }

    /// The same with one more header.
    pub fn and(&self, name: &str, value: &str) -> Self {
        let mut other = self.clone();
        other.headers.push((name.to_owned(), value.to_owned()));
        other
    }

    /// The same for another tenant.
    pub fn of(&self, tenant: &str) -> Self {
        Self { tenant: tenant.to_owned(), ..self.clone() }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        self.send(Method::POST, path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PUT, path, Some(body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        self.send(Method::PATCH, path, Some(body)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send(Method::DELETE, path, None).await
    }

    /// Any method on a path below the tenant; `//` begins one that is not below it.
    pub async fn send(&self, method: Method, path: &str, body: Option<Value>) -> Reply {
        self.send_bytes(method, path, body.map(|body| body.to_string())).await
    }

    /// The same, with exactly these bytes.
    pub async fn send_bytes(&self, method: Method, path: &str, body: Option<String>) -> Reply {
        let path = match path.strip_prefix("//") {
            Some(path) => format!("/{path}"),
            None => format!("/tenants/{}{path}", self.tenant),
        };
        let mut request = self.client.request(method, format!("{}{path}", self.url));
        for (name, value) in &self.headers {
            // As bytes: what people write is not only ASCII.
            request = request.header(name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        reply(request.send().await.unwrap()).await
    }
}

impl Reply {
    /// Itself, if it is a success.
    #[track_caller]
    pub fn ok(self) -> Self {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.body);
        self
    }

    /// The revision of a change, which the body and the `ETag` agree on.
    #[track_caller]
    pub fn revision(&self) -> u64 {
        let revision = self.body["revision"].as_u64().unwrap_or_else(|| panic!("{}: {}", self.status, self.body));
        assert_eq!(self.header("etag"), format!("\"{revision}\""), "{}", self.body);
        revision
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The members of a page.
    #[track_caller]
    pub fn items(&self) -> &[Value] {
        self.body["items"].as_array().unwrap_or_else(|| panic!("{}: {}", self.status, self.body))
    }

    /// Fails the test unless it is this problem.
    #[track_caller]
    pub fn is(&self, status: u16, slug: &str) {
        assert_eq!((self.status, self.slug()), (status, slug), "{}", self.body);
    }
}
