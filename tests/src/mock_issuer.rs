//! An issuer on loopback whose keys the test owns, and which can be told to misbehave.

use std::{
    collections::HashMap,
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

use crate::jwt::{SigningKey, Token};

const METADATA: &str = "/.well-known/oauth-authorization-server";
const KEYS: &str = "/jwks";

/// How the mock issuer answers at one path.
#[derive(Clone, Debug)]
pub enum Reply {
    /// JSON with status 200.
    Json(Value),
    /// These bytes, which are a whole HTTP answer.
    Raw(Vec<u8>),
    /// These bytes, one by one, with a pause before each.
    Drip(Vec<u8>),
    /// Nothing, for as long as anybody waits.
    Hang,
}

/// An issuer that publishes whatever a test wants to be published.
pub struct MockIssuer {
    url: String,
    key: SigningKey,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    replies: Mutex<HashMap<String, Reply>>,
    requests: Mutex<Vec<String>>,
}

impl MockIssuer {
    /// Starts an issuer with one key.
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port is free");
        let url = format!("http://localhost:{}", listener.local_addr().expect("it is bound").port());
        Self::start_on(listener, url)
    }

    /// Starts an issuer with one key behind a socket that is bound already, under this name.
    pub fn start_on(listener: TcpListener, url: String) -> Self {
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(serve(listener, Arc::clone(&shared)));
        let issuer = Self { url, key: SigningKey::generate(), shared, task };
        issuer.reply(METADATA, Reply::Json(issuer.metadata()));
        issuer.publish(&[issuer.key.jwk()]);
        issuer
    }

    /// The issuer's name.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The key it signs with.
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// What its metadata says unless told otherwise.
    pub fn metadata(&self) -> Value {
        let at = |path| format!("{}{path}", self.url);
        json!({
            "issuer": self.url, "jwks_uri": at(KEYS), "token_endpoint": at("/token"), "response_types_supported": [],
            "grant_types_supported": ["password"],
        })
    }

    /// Says something else in its metadata from now on.
    pub fn describe(&self, reply: Reply) {
        self.reply(METADATA, reply);
    }

    /// Publishes these keys from now on.
    pub fn publish(&self, keys: &[Value]) {
        self.answer_for_keys(Reply::Json(json!({ "keys": keys })));
    }

    /// Answers this, whoever asks for its keys.
    pub fn answer_for_keys(&self, reply: Reply) {
        self.reply(KEYS, reply);
    }

    /// A good access token for this resource, of a user with every right there, not yet signed.
    pub fn token_for(&self, resource: &str) -> Token {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs();
        let header = json!({"alg": "RS256", "typ": "at+jwt", "kid": self.key.id()});
        let claims = json!({
            "iss": self.url, "sub": "usr_of_the_test", "aud": resource, "client_id": "test", "iat": now, "nbf": now,
            "exp": now + 300, "jti": format!("at_{now}"), "scope": "documents:read documents:write documents:admin",
            "roles": ["admin"],
        });
        let object = |value: Value| if let Value::Object(map) = value { map } else { unreachable!("it is an object") };
        Token { header: object(header), claims: object(claims) }
    }

    /// The request lines it has seen.
    pub fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers this, whoever asks for what is at this path.
    pub fn reply(&self, path: &str, reply: Reply) {
        self.shared.replies.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned(), reply);
    }
}

impl Drop for MockIssuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((stream, _)) = listener.accept().await {
        // A client that goes away in between is not the issuer's concern.
        tokio::spawn(answer(stream, Arc::clone(&shared)));
    }
}

async fn answer(mut stream: TcpStream, shared: Arc<Shared>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let line = head.lines().next().unwrap_or_default();
    let path = line.split(' ').nth(1).unwrap_or_default();
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    let reply = shared.replies.lock().unwrap_or_else(PoisonError::into_inner).get(path).cloned();
    let bytes = match reply {
        Some(Reply::Json(body)) => whole("200 OK", "application/json", &body.to_string()),
        Some(Reply::Raw(bytes)) => bytes,
        Some(Reply::Drip(bytes)) => {
            for byte in bytes {
                tokio::time::sleep(Duration::from_millis(200)).await;
                stream.write_u8(byte).await?;
            }
            return stream.shutdown().await;
        }
        Some(Reply::Hang) => {
            // The end of the stream comes when the other side has given up.
            stream.read_u8().await?;
            return Ok(());
        }
        None => whole("404 Not Found", "text/plain", "nothing here"),
    };
    stream.write_all(&bytes).await?;
    stream.shutdown().await
}

fn whole(status: &str, media_type: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nCache-Control: max-age=300\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
