//! A Unix socket as a file: a path and a mode in, a listener out; the file goes with it.
//!
//! What a server left behind that was killed is replaced. What another one still listens on is not.

use std::fs::{self, Permissions};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

use super::accept::Listener;

/// Who may connect: a file's mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketMode(u32);

impl SocketMode {
    /// From octal digits, as `0660`.
    pub fn parse(text: &str) -> Option<Self> {
        let is_octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
        u32::from_str_radix(text, 8).ok().filter(|mode| is_octal && *mode <= 0o777).map(Self)
    }
}

/// Why there is no socket at a path.
#[derive(Debug, thiserror::Error)]
pub enum UnixSocketError {
    #[error("a server answers on `{path}` already", path = .0.display())]
    Live(PathBuf),
    #[error("`{path}` is there already and is not a socket", path = .0.display())]
    NotASocket(PathBuf),
    #[error("the socket `{path}` cannot be made", path = .path.display())]
    Failed {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// A listener and its file.
pub(super) struct UnixSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode: the file at the path may one day be another server's.
    file: (u64, u64),
}

impl UnixSocket {
    pub(super) async fn bind(path: PathBuf, mode: SocketMode) -> Result<Self, UnixSocketError> {
        check_free(&path).await?;
        let (listener, file) =
            place(&path, mode).map_err(|source| UnixSocketError::Failed { path: path.clone(), source })?;
        Ok(Self { listener, path, file })
    }
}

impl Listener for UnixSocket {
    type Stream = UnixStream;

    /// Peers of a socket have no address: the socket's mode says whose they are.
    async fn accept(&self) -> io::Result<(UnixStream, Option<IpAddr>)> {
        Ok((self.listener.accept().await?.0, None))
    }
}

impl Drop for UnixSocket {
    fn drop(&mut self) {
        if identity(&self.path).is_ok_and(|file| file == self.file) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Whether nothing is at the path that somebody would miss.
async fn check_free(path: &Path) -> Result<(), UnixSocketError> {
    let failed = |source| UnixSocketError::Failed { path: path.to_owned(), source };
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => return Err(UnixSocketError::NotASocket(path.to_owned())),
        Ok(_) => {}
    }
    match tokio::time::timeout(PATIENCE, UnixStream::connect(path)).await {
        Ok(Err(error)) => match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Ok(()),
            // Somebody's queue, which is full.
            io::ErrorKind::WouldBlock => Err(UnixSocketError::Live(path.to_owned())),
            _ => Err(failed(error)),
        },
        Ok(Ok(_)) | Err(_) => Err(UnixSocketError::Live(path.to_owned())),
    }
}

/// Makes the socket in a folder of its own, which nobody else may enter, and moves it into place with its mode set:
/// at no moment can someone connect whom the mode keeps out, and none passes without a socket at the path.
fn place(path: &Path, mode: SocketMode) -> io::Result<(UnixListener, (u64, u64))> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = tempfile::Builder::new().prefix(".cg").tempdir_in(parent)?;
    let made = folder.path().join("s");
    let listener = UnixListener::bind(&made)?;
    fs::set_permissions(&made, Permissions::from_mode(mode.0))?;
    fs::rename(&made, path)?;
    Ok((listener, identity(path)?))
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|found| (found.dev(), found.ino()))
}

/// How long a socket that is there may take to show whether someone listens on it.
const PATIENCE: Duration = Duration::from_secs(2);
