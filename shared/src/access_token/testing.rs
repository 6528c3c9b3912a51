//! An issuer for unit tests: keys it owns, tokens it signs as told, and a web server that behaves as told.

use std::{
    collections::HashMap,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use arc_swap::ArcSwap;
use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{self, KeyPair as _},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinHandle,
};

use super::{AccessTokenVerifier, Algorithm, KeySet};

pub(crate) const ISSUER: &str = "https://auth.example";
pub(crate) const RESOURCE: &str = "https://api.example";

/// An RSA key pair and the name it is published under.
pub(crate) struct SigningKey {
    pub(crate) id: String,
    pub(crate) algorithm: Algorithm,
    pair: Arc<KeyPair>,
}

static KEYS: LazyLock<[Arc<KeyPair>; 2]> =
    LazyLock::new(|| [(); 2].map(|()| Arc::new(KeyPair::generate(KeySize::Rsa2048).unwrap())));

impl SigningKey {
    /// One of two key pairs, made once per process, under this ID.
    pub(crate) fn new(id: &str, pair: usize) -> Self {
        Self { id: id.into(), algorithm: Algorithm::Rs256, pair: Arc::clone(&KEYS[pair]) }
    }

    pub(crate) fn modulus(&self) -> Vec<u8> {
        self.pair.public_key().modulus().big_endian_without_leading_zero().to_vec()
    }

    /// The private key, for what no decent library would sign.
    pub(crate) fn pkcs8(&self) -> Vec<u8> {
        AsDer::<Pkcs8V1Der<'_>>::as_der(self.pair.as_ref()).unwrap().as_ref().to_vec()
    }

    pub(crate) fn jwk(&self) -> Value {
        let e = self.pair.public_key().exponent().big_endian_without_leading_zero().to_vec();
        json!({
            "kty": "RSA", "use": "sig", "alg": self.algorithm.name(), "kid": self.id,
            "n": base64url(self.modulus()), "e": base64url(e),
        })
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let mut signed = vec![0; self.pair.public_modulus_len()];
        let padding = match self.algorithm {
            Algorithm::Ps256 => &signature::RSA_PSS_SHA256,
            Algorithm::Rs256 | Algorithm::Es256 | Algorithm::EdDsa => &signature::RSA_PKCS1_SHA256,
        };
        self.pair.sign(padding, &SystemRandom::new(), message, &mut signed).unwrap();
        signed
    }

    /// A compact JWS over exactly these bytes.
    pub(crate) fn jws(&self, header: &[u8], payload: &[u8]) -> String {
        let input = format!("{}.{}", base64url(header), base64url(payload));
        let signed = base64url(self.sign(input.as_bytes()));
        format!("{input}.{signed}")
    }

    /// A JWS with this payload and the usual header for this `typ`.
    pub(crate) fn jwt(&self, typ: &str, payload: &Value) -> String {
        let header = json!({ "typ": typ, "alg": self.algorithm.name(), "kid": self.id });
        self.jws(header.to_string().as_bytes(), payload.to_string().as_bytes())
    }

    /// An access token with these claims.
    pub(crate) fn token(&self, claims: &Value) -> String {
        self.jwt("at+jwt", claims)
    }
}

/// A key set of these keys, as it is published.
pub(crate) fn jwks(keys: &[&SigningKey]) -> String {
    json!({ "keys": keys.iter().map(|key| key.jwk()).collect::<Vec<_>>() }).to_string()
}

/// The claims of a good access token, changed as told: a null takes a claim away.
pub(crate) fn claims(changes: Value) -> Value {
    let now = now();
    let mut claims = json!({
        "iss": ISSUER, "sub": "usr_1", "aud": RESOURCE, "client_id": "first-party", "iat": now, "nbf": now, "exp": now + 600,
        "jti": "1", "scope": "documents:read account", "roles": ["reader"],
    });
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    let members = claims.as_object_mut().unwrap();
    for (name, value) in changes {
        if value.is_null() {
            members.remove(&name)
        } else {
            members.insert(name, value)
        };
    }
    claims
}

/// A verifier that knows these keys.
pub(crate) fn verifier(keys: &[&SigningKey]) -> (AccessTokenVerifier, Arc<ArcSwap<KeySet>>) {
    let keys = Arc::new(ArcSwap::from_pointee(KeySet::from_jwks(jwks(keys).as_bytes()).unwrap()));
    (AccessTokenVerifier::with_local_keys(ISSUER, RESOURCE, Arc::clone(&keys)), keys)
}

pub(crate) fn base64url(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs().cast_signed()
}

/// What the web server answers at a path.
#[derive(Clone)]
pub(crate) enum Answer {
    /// A document with these headers, and 304 to whoever has this version of it.
    Document { body: Vec<u8>, headers: Vec<(&'static str, String)> },
    /// A status without a body.
    Status(u16),
    /// A redirect to this place.
    Redirect(String),
    /// Nothing, for ever.
    Silence,
}

impl Answer {
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::Document { body: body.into(), headers: Vec::new() }
    }
}

/// A web server on loopback that behaves as told and counts what it is asked for.
pub(crate) struct WebServer {
    pub(crate) url: String,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl WebServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (answers, requests) = (Arc::<Mutex<HashMap<_, _>>>::default(), Arc::<Mutex<Vec<_>>>::default());
        let connections = Arc::<AtomicUsize>::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&answers), Arc::clone(&requests), Arc::clone(&connections)));
        Self { url, answers, requests, connections, task }
    }

    /// Serves metadata that names `issuer`, and these keys.
    pub(crate) fn publish(&self, issuer: &str, keys: &[&SigningKey]) {
        let metadata = json!({
            "issuer": issuer,
            "jwks_uri": format!("{issuer}/jwks.json"),
            "status_list_aggregation_endpoint": format!("{issuer}/status-lists"),
        });
        self.answer("/.well-known/oauth-authorization-server", Answer::json(metadata.to_string()));
        self.answer("/jwks.json", Answer::json(jwks(keys)));
    }

    pub(crate) fn answer(&self, path: &str, answer: Answer) {
        self.answers.lock().unwrap().insert(path.into(), answer);
    }

    /// How often this path was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        let wanted = format!("GET {path} ");
        self.requests.lock().unwrap().iter().filter(|request| request.starts_with(&wanted)).count()
    }

    /// The head of the last request for this path, in lower case.
    pub(crate) fn last(&self, path: &str) -> String {
        let wanted = format!("GET {path} ");
        let requests = self.requests.lock().unwrap();
        requests.iter().rfind(|request| request.starts_with(&wanted)).unwrap().to_lowercase()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The `host:port` it listens on.
    pub(crate) fn authority(&self) -> &str {
        self.url.trim_start_matches("http://")
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(
    listener: TcpListener,
    answers: Arc<Mutex<HashMap<String, Answer>>>,
    requests: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
) {
    // Connections end with the server.
    let mut open = tokio::task::JoinSet::new();
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        connections.fetch_add(1, Ordering::SeqCst);
        let (answers, requests) = (Arc::clone(&answers), Arc::clone(&requests));
        open.spawn(async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let Ok(byte) = stream.read_u8().await else { return };
                head.push(byte);
            }
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap().to_owned();
            let answer = answers.lock().unwrap().get(&path).cloned().unwrap_or(Answer::Status(404));
            requests.lock().unwrap().push(head.clone());
            let answer = match answer {
                Answer::Document { body, headers } => {
                    let etag = headers.iter().find(|(name, _)| *name == "ETag").map(|(_, value)| value);
                    let has_it = etag.is_some_and(|etag| head.to_lowercase().contains(&format!("if-none-match: {etag}")));
                    let lines: String = headers.iter().flat_map(|(name, value)| [name, ": ", value, "\r\n"]).collect();
                    if has_it {
                        format!("HTTP/1.1 304 Not Modified\r\nConnection: close\r\n{lines}\r\n").into_bytes()
                    } else {
                        let length = body.len();
                        let head = format!("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n{lines}\r\n");
                        [head.into_bytes(), body].concat()
                    }
                }
                Answer::Status(status) => {
                    format!("HTTP/1.1 {status} Told so\r\nConnection: close\r\nContent-Length: 0\r\n\r\n").into_bytes()
                }
                Answer::Redirect(to) => {
                    format!("HTTP/1.1 302 Found\r\nConnection: close\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n").into_bytes()
                }
                Answer::Silence => {
                    tokio::time::sleep(Duration::from_mins(1)).await;
                    return;
                }
            };
            let _ = stream.write_all(&answer).await;
        });
    }
}
