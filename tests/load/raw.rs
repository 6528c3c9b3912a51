//! What one core can do at the most, measured on the core where the service will run.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use anyhow::Context;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{
    rand,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey},
};
use poem::{Route, Server, listener::TcpListener};
use poem_openapi::{Object, OpenApi, OpenApiService, payload::Json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::{
    client::{self, Same},
    pin,
    request::get,
    usage::Usage,
};

const TIME: Duration = Duration::from_secs(3);

/// What one core can do of one thing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    pub(crate) name: &'static str,
    /// How often in a second.
    pub(crate) rate: f64,
    /// What one takes of the processor's time.
    pub(crate) cpu_micros: f64,
}

impl Limit {
    /// One of these and one of those.
    pub(crate) fn with(self, other: Self, name: &'static str) -> Self {
        Self { name, rate: 1.0 / (1.0 / self.rate + 1.0 / other.rate), cpu_micros: self.cpu_micros + other.cpu_micros }
    }
}

/// The limits.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// RS256 signatures with a key of 2048 bits.
    pub(crate) sign: Limit,
    /// Their verifications.
    pub(crate) verify: Limit,
    /// Argon2id with 19 MiB and two passes, its memory reused.
    pub(crate) hash: Limit,
    /// A JSON greeting by the same framework, without any layer of ours.
    pub(crate) hello: Limit,
}

impl Limits {
    pub(crate) const fn all(&self) -> [Limit; 4] {
        [self.sign, self.verify, self.hash, self.hello]
    }
}

/// Measures all of it.
pub(crate) async fn limits() -> anyhow::Result<Limits> {
    let this = std::env::current_exe()?;
    let output = pin::command(&this, pin::SERVICE).arg("raw").output().await?;
    let text = String::from_utf8(output.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = |name| {
        let mut number = || numbers.next().context("the raw measurement was cut off")?.context("it is no number");
        anyhow::Ok(Limit { name, rate: number()?, cpu_micros: number()? })
    };
    let (sign, verify, hash) = (next("raw signing")?, next("raw verification")?, next("raw Argon2id")?);
    Ok(Limits { sign, verify, hash, hello: greeting(&this).await? })
}

#[expect(clippy::cast_precision_loss, reason = "nobody counts that far")]
async fn greeting(this: &std::path::Path) -> anyhow::Result<Limit> {
    let mut server = pin::command(this, pin::SERVICE).arg("hello").stdout(std::process::Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(server.stdout.take().context("the greeting server has an output")?).lines();
    let address = lines.next_line().await?.context("the greeting server names its address")?;
    let request = get(&address, "/hello", &[]);
    let scripts = vec![Same { request, status: 200 }; 64];
    let before = Usage::of(server.id());
    let outcome = client::press(&address, scripts, TIME + TIME / 4).await?;
    let cpu = Usage::of(server.id()).cpu.saturating_sub(before.cpu);
    server.kill().await?;
    Ok(Limit { name: "hello", rate: outcome.rate(), cpu_micros: cpu.as_secs_f64() * 1e6 / outcome.requests as f64 })
}

/// Prints what this core can do.
pub(crate) fn measure() {
    let pair = KeyPair::generate(KeySize::Rsa2048).expect("a key can be generated");
    let random = rand::SystemRandom::new();
    // As long as what is signed of an ordinary access token.
    let message = [b'a'; 720];
    let mut signature = vec![0; pair.public_modulus_len()];
    let sign = per_second(|| pair.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature).expect("a key signs"));
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref());
    let verify = per_second(|| public.verify(&message, &signature).expect("the signature holds"));
    let params = Params::new(19 * 1024, 2, 1, None).expect("these are good parameters");
    let mut memory = vec![Block::new(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut output = [0; 32];
    let hash = per_second(|| {
        argon2.hash_password_into_with_memory(b"password", b"sixteen byte sal", &mut output, &mut memory).expect("it fits");
        black_box(&output);
    });
    for (rate, cpu_micros) in [sign, verify, hash] {
        println!("{rate} {cpu_micros}");
    }
}

/// How often in a second, and what one takes of the processor's time, in microseconds.
fn per_second(mut work: impl FnMut()) -> (f64, f64) {
    work();
    let this = Some(std::process::id());
    let (began, before) = (Instant::now(), Usage::of(this));
    let mut done = 0_u32;
    while began.elapsed() < TIME {
        work();
        done += 1;
    }
    let (elapsed, cpu) = (began.elapsed(), Usage::of(this).cpu.saturating_sub(before.cpu));
    (f64::from(done) / elapsed.as_secs_f64(), cpu.as_secs_f64() * 1e6 / f64::from(done))
}

/// A greeting as anybody would write it with this framework.
struct HelloApi;

#[derive(Object)]
struct Greeting {
    message: String,
}

#[expect(clippy::unused_async, reason = "poem-openapi wants every operation async")]
#[OpenApi]
impl HelloApi {
    #[oai(path = "/hello", method = "get")]
    async fn greet(&self) -> Json<Greeting> {
        Json(Greeting { message: "hello, world".to_owned() })
    }
}

/// Serves the greeting until it is killed.
pub(crate) async fn hello() -> anyhow::Result<()> {
    use poem::listener::{Acceptor, Listener};
    let acceptor = TcpListener::bind("127.0.0.1:0").into_acceptor().await?;
    let address = acceptor.local_addr().first().and_then(|address| address.as_socket_addr().copied());
    println!("{}", address.context("a TCP listener has an address")?);
    let routes = Route::new().nest("/", OpenApiService::new(HelloApi, "Hello", "1"));
    Ok(Server::new_with_acceptor(acceptor).run(routes).await?)
}
