//! The Unix socket: answers as the port does, and is a file that comes and goes with its server.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::{fs, path::PathBuf};

use cedargate::app::App;
use cedargate::clock::SystemClock;
use cedargate::config::{Config, RawConfig};
use reqwest::Version;
use serde_json::json;

use super::{ask_by, speaking_http2};
use crate::support::{TestServer, Wire};

async fn listening_on(path: &Path) -> TestServer {
    TestServer::configured(|raw| raw.http.unix_socket = Some(path.to_owned())).await
}

/// Why a server does not start with a socket here.
async fn refusal(path: PathBuf) -> String {
    let mut raw = RawConfig::default();
    raw.http.bind = "127.0.0.1:0".into();
    raw.ops.bind = Some("off".into());
    raw.http.unix_socket = Some(path);
    match App::start(Config::try_from(raw).unwrap(), Arc::new(SystemClock)).await {
        Ok(_) => panic!("it starts"),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn a_unix_socket_answers_as_the_port_does() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("http.sock");
    let mut server = listening_on(&socket).await;
    let http1 = reqwest::Client::builder().unix_socket(socket.clone()).build().unwrap();
    let http2 = speaking_http2().unix_socket(socket.clone()).build().unwrap();
    for (client, version) in [(&http1, Version::HTTP_11), (&http2, Version::HTTP_2)] {
        let (spoken, status, body) = ask_by(client, "http://cedargate").await;
        assert_eq!((spoken, status, &body["decision"]), (version, 200, &json!("allow")), "{body}");
    }
    let mut wire = Wire::unix(&socket).await;
    assert_eq!((wire.get("/live").await, wire.get("/live").await), (200, 200));
    assert_eq!(server.get("/live").await.status, 200);

    let found = fs::metadata(&socket).unwrap();
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o660);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left beside it");
    server.stop().await;
    wire.is_closed().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_sockets_mode_can_be_chosen() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("http.sock");
    let _server = TestServer::configured(|raw| {
        raw.http.unix_socket = Some(socket.clone());
        raw.http.unix_socket_mode = "0606".into();
    })
    .await;
    assert_eq!(fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o606);
}

#[tokio::test]
async fn a_socket_that_a_dead_server_left_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("http.sock");
    drop(UnixListener::bind(&socket).unwrap());
    assert!(socket.exists());
    let mut server = listening_on(&socket).await;
    assert_eq!(Wire::unix(&socket).await.get("/live").await, 200);
    server.stop().await;
    assert!(!socket.exists());
}

#[tokio::test]
async fn a_socket_that_a_server_answers_on_is_left_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("http.sock");
    let mut server = listening_on(&socket).await;
    assert_eq!(refusal(socket.clone()).await, format!("a server answers on `{}` already", socket.display()));
    assert_eq!(Wire::unix(&socket).await.get("/live").await, 200);
    // A file that is another server's by now is not removed.
    fs::remove_file(&socket).unwrap();
    let _other = UnixListener::bind(&socket).unwrap();
    server.stop().await;
    assert!(socket.exists());
}

#[tokio::test]
async fn a_file_that_is_no_socket_is_not_touched() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("http.sock");
    fs::write(&file, "kept").unwrap();
    assert_eq!(refusal(file.clone()).await, format!("`{}` is there already and is not a socket", file.display()));
    assert_eq!(fs::read_to_string(&file).unwrap(), "kept");
    let nowhere = dir.path().join("nowhere").join("http.sock");
    assert_eq!(refusal(nowhere.clone()).await, format!("the socket `{}` cannot be made", nowhere.display()));
}
