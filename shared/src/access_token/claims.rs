//! What an access token says: the claims of RFC 9068 §2.2.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scope::Scope;

/// The `typ` of an access token's header (RFC 9068 §2.1).
pub const ACCESS_TOKEN_TYPE: &str = "at+jwt";

/// The claims of an access token (RFC 9068 §2.2).
///
/// Reading is strict where leniency would be ambiguity: a repeated member and a date that is no integer are errors.
/// Members that this type does not know are passed over (RFC 7519 §4).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AccessTokenClaims {
    /// Who issued it: exactly the issuer of the metadata.
    pub iss: String,
    /// Whom it speaks for: a user, or the client itself.
    pub sub: String,
    /// The protected resources it is meant for.
    pub aud: Audience,
    /// The client it was issued to.
    pub client_id: String,
    /// When it was issued, in seconds since 1970.
    pub iat: i64,
    /// From when on it is valid, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// When it ends, in seconds since 1970.
    pub exp: i64,
    /// The token's own identifier.
    pub jti: String,
    /// What it allows.
    #[serde(default)]
    pub scope: Scope,
    /// The subject's roles (RFC 9068 §2.2.3.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub roles: Vec<String>,
    /// When the user last proved who they are, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_time: Option<i64>,
    /// The class of that proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// The methods of that proof (RFC 8176).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// Where its revocation is published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// Who acts for the subject, where that is not the subject itself (RFC 8693 §4.1): the API key that was exchanged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Actor>,
    /// The networks that requests with it must come from, of an API key that is bound to some; empty: any. A claim of our
    /// own, which the guard enforces; whoever verifies tokens otherwise has to do so too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The key it is bound to (RFC 7800); this verifier cannot check the proof and refuses such a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cnf: Option<serde_json::Value>,
}

/// The `act` claim (RFC 8693 §4.1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Actor {
    /// Who acts.
    pub sub: String,
}

/// The `status` claim (draft-ietf-oauth-status-list).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// A place in a Token Status List.
    pub status_list: StatusReference,
}

/// A place in a Token Status List.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusReference {
    /// The place.
    pub idx: u64,
    /// The list: the URL it is fetched from.
    pub uri: String,
}

/// The `aud` claim: one identifier as a string, or several as an array (RFC 7519 §4.1.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience(Vec<String>);

impl Audience {
    /// Whether this resource is meant; identifiers are compared exactly.
    pub fn contains(&self, resource: &str) -> bool {
        self.0.iter().any(|audience| audience == resource)
    }

    /// The identifiers.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl From<String> for Audience {
    fn from(resource: String) -> Self {
        Self(vec![resource])
    }
}

impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum OneOrSeveral {
            One(String),
            Several(Vec<String>),
        }
        Ok(Self(match OneOrSeveral::deserialize(deserializer)? {
            OneOrSeveral::One(one) => vec![one],
            OneOrSeveral::Several(several) => several,
        }))
    }
}
