//! One look at an issuer, for somebody who wonders why its tokens are not accepted.

use url::Url;

use super::{
    KeySet,
    fetch::{Fetched, Fetcher, Wanted},
    issuer_keys::metadata_url,
};

/// The most bytes that metadata or a key set may have.
const LIMIT: usize = 256 * 1024;

/// What an issuer shows of itself.
#[derive(Clone, Debug)]
pub struct IssuerLook {
    /// The `issuer` of its metadata.
    pub issuer: String,
    /// How many of its keys can be used.
    pub keys: usize,
    /// The protected resources that it issues tokens for, if it says so.
    pub resources: Option<Vec<String>>,
    /// What its `Date` header says.
    pub date: Option<String>,
}

/// Fetches an issuer's metadata and keys once. With `connect_to`, a `host:port`, that is where the connections go.
pub async fn look_at_issuer(issuer: &str, connect_to: Option<&str>) -> Result<IssuerLook, String> {
    let issuer = Url::parse(issuer).map_err(|error| error.to_string())?;
    let fetcher = Fetcher::new(issuer.clone(), connect_to.map(ToOwned::to_owned)).map_err(|error| error.to_string())?;
    let url = metadata_url(&issuer);
    let document: serde_json::Value = read(&fetcher, &url, "application/json").await?;
    let text = |name: &str| document[name].as_str().map(ToOwned::to_owned);
    let name = text("issuer").ok_or_else(|| format!("{url} names no issuer"))?;
    let jwks_uri = text("jwks_uri").and_then(|uri| Url::parse(&uri).ok()).ok_or_else(|| format!("{url} names no key set"))?;
    let jwks: serde_json::Value = read(&fetcher, &jwks_uri, "application/jwk-set+json, application/json").await?;
    let keys = KeySet::from_jwks(jwks.to_string().as_bytes()).map_err(|error| format!("{jwks_uri}: {error}"))?;
    let resources = document["protected_resources"].as_array();
    let resources = resources.map(|list| list.iter().filter_map(|id| id.as_str().map(ToOwned::to_owned)).collect());
    Ok(IssuerLook { issuer: name, keys: keys.len(), resources, date: fetcher.date(&url).await })
}

async fn read(fetcher: &Fetcher, url: &Url, media_type: &'static str) -> Result<serde_json::Value, String> {
    let wanted = Wanted { url, media_type, limit: LIMIT, etag: None, cached: false };
    match fetcher.fetch(wanted).await.map_err(|error| error.to_string())? {
        Fetched::New { body, .. } => serde_json::from_slice(&body).map_err(|_| format!("{url} is no JSON")),
        Fetched::NotModified { .. } => Err(format!("{url} answered that nothing changed, and was not asked")),
    }
}
