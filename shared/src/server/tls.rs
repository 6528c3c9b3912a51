//! TLS 1.2 and 1.3, with a certificate that is taken up anew when its files change.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::{net::TcpStream, task::JoinHandle, time::sleep};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        self, ServerConfig,
        crypto::aws_lc_rs,
        pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
        version::{TLS12, TLS13},
    },
    server::TlsStream,
};

/// How often it is looked whether the files have changed.
const FOLLOW: Duration = Duration::from_secs(2);

/// A certificate and its key, as they are at the moment; connections that are open stay as they are.
#[derive(Clone)]
pub struct Tls {
    current: Arc<ArcSwap<ServerConfig>>,
    /// Held only to end with the last clone.
    _following: Arc<Following>,
}

struct Following(JoinHandle<()>);

impl Drop for Following {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Where a certificate with its chain is, and its private key: both in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and after it those that lead to a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read, or holds no certificate or key in PEM.
    #[error("{0} holds no {1} in PEM")]
    File(PathBuf, &'static str, #[source] rustls::pki_types::pem::Error),
    /// There is no certificate in the file.
    #[error("{0} holds no certificate")]
    Empty(PathBuf),
    /// Certificate and key do not belong together, or are of a kind that is not used any more.
    #[error("the certificate and its key cannot be used together")]
    Unusable(#[source] rustls::Error),
}

/// What a file looked like when it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp(Option<SystemTime>, u64);

impl Tls {
    /// Reads a certificate and its key, and follows changes of the files.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let seen = stamps(&files);
        let current = Arc::new(ArcSwap::from(read(&files)?));
        let following = follow(Arc::clone(&current), files, seen);
        Ok(Self { current, _following: Arc::new(Following(tokio::spawn(following))) })
    }

    /// Shakes hands with a client.
    pub(super) async fn accept(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.current.load_full()).accept(stream).await
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Tls")
    }
}

/// Files are replaced one after the other: as long as they do not belong together, the old ones stay in use.
async fn follow(current: Arc<ArcSwap<ServerConfig>>, files: TlsFiles, mut seen: [Stamp; 2]) {
    loop {
        sleep(FOLLOW).await;
        let now = stamps(&files);
        if now == seen {
            continue;
        }
        seen = now;
        match read(&files) {
            Ok(config) => {
                current.store(config);
                tracing::info!("Took up a new certificate from {}", files.certificate.display());
            }
            Err(error) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "The certificate has changed and cannot be used; the old one stays in use"
            ),
        }
    }
}

fn stamps(files: &TlsFiles) -> [Stamp; 2] {
    [&files.certificate, &files.key].map(|file| match std::fs::metadata(file) {
        Ok(metadata) => Stamp(metadata.modified().ok(), metadata.len()),
        Err(_) => Stamp(None, 0),
    })
}

fn read(TlsFiles { certificate, key }: &TlsFiles) -> Result<Arc<ServerConfig>, TlsError> {
    let no = |what: &'static str, file: &Path| {
        let file = file.to_owned();
        move |source| TlsError::File(file, what, source)
    };
    let chain: Vec<_> =
        CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect).map_err(no("certificate", certificate))?;
    if chain.is_empty() {
        return Err(TlsError::Empty(certificate.to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(key).map_err(no("private key", key))?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(TlsError::Unusable)?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(TlsError::Unusable)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = aws_lc_rs::Ticketer::new().map_err(TlsError::Unusable)?;
    Ok(Arc::new(config))
}
