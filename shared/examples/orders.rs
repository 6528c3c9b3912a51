//! An API of orders, guarded with access tokens of the issuer: `cargo run -p shared --example orders`.
//!
//! `ISSUER` is whom it trusts, `AUDIENCE` who it is, `LISTEN` where it listens. The same API in Python and Node is beside
//! `examples/rust/README.md`.
#![expect(clippy::needless_pass_by_value, reason = "a handler is given its arguments")]

use std::{
    env,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

use poem::{EndpointExt, Result, Route, Server, get, handler, http::StatusCode, listener::TcpListener, web::Data, web::Json};
use serde::{Deserialize, Serialize};
use shared::{
    access_token::{AccessTokenVerifier, IssuerKeys, Revocations},
    guard::{Caller, Guard},
};

#[derive(Clone, Serialize)]
struct Order {
    owner: String,
    item: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewOrder {
    item: String,
}

#[derive(Default)]
struct Orders(Mutex<Vec<Order>>);

impl Orders {
    fn all(&self) -> Vec<Order> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[handler]
fn list(caller: Caller, orders: Data<&Arc<Orders>>) -> Result<Json<Vec<Order>>> {
    caller.require("documents:read")?;
    Ok(Json(orders.all().into_iter().filter(|order| order.owner == caller.subject()).collect()))
}

#[handler]
fn create(caller: Caller, orders: Data<&Arc<Orders>>, new: Json<NewOrder>) -> Result<(StatusCode, Json<Order>)> {
    caller.require("documents:write")?;
    let order = Order { owner: caller.subject().to_owned(), item: new.0.item };
    orders.0.0.lock().unwrap_or_else(PoisonError::into_inner).push(order.clone());
    Ok((StatusCode::CREATED, Json(order)))
}

#[handler]
fn everybodys(caller: Caller, orders: Data<&Arc<Orders>>) -> Result<Json<Vec<Order>>> {
    caller.require("documents:read")?;
    caller.require_role("admin")?;
    Ok(Json(orders.all()))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, default: &str| env::var(name).unwrap_or_else(|_| default.to_owned());
    let keys = IssuerKeys::builder(setting("ISSUER", "http://localhost:8080")).start()?;
    let revocations = Revocations::following(&keys).start();
    let verifier = AccessTokenVerifier::following(keys, setting("AUDIENCE", "http://localhost:8081")).revocations(revocations);
    let routes = Route::new().at("/orders", get(list).post(create)).at("/admin/orders", get(everybodys));
    let guarded = Guard::new(verifier, "orders", None).protect(routes.data(Arc::new(Orders::default())));
    Server::new(TcpListener::bind(setting("LISTEN", "127.0.0.1:8082"))).run(guarded).await?;
    Ok(())
}
