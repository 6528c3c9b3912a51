//! The attack catalogue's rows on access tokens, in its order.

mod claims;
mod form;
mod header;
mod padding;
mod signature;
mod transport;

use super::{Row, Scope, Trial};

/// Makes a row for an API. Its tokens count from then on, so that it is made when its turn comes.
type Make = fn(&Trial) -> Row;

/// Every row.
pub(super) fn rows() -> Vec<Make> {
    vec![
        transport::no_credentials,
        signature::touched,
        signature::unsigned,
        header::algorithm,
        signature::shared_secret,
        header::key_id,
        header::own_key,
        header::extension,
        header::typ,
        claims::dates,
        claims::lifetime,
        claims::audience,
        claims::issuer,
        form::repeated_members,
        form::deep_and_large,
        form::base64url,
        form::segments,
        form::encoding,
        claims::roles,
        transport::elsewhere,
        transport::credentials,
        padding::encodings,
        claims::another_kind,
        transport::paths,
        |_| {
            not_applicable(
                "A.JV-28",
                "what ends while a token lives",
                "how long that takes is a figure to publish; JV-12 tests the rule",
            )
        },
        signature::mutations,
        claims::required,
        claims::bound,
        claims::revoked,
        claims::scope,
    ]
}

fn not_applicable(id: &'static str, title: &'static str, reason: &'static str) -> Row {
    Row { id, title, scope: Scope::NotApplicable(reason) }
}
