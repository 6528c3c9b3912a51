//! The attack catalogue's rows on access tokens, in its order.

mod claims;
mod form;
mod header;
mod padding;
mod signature;
mod transport;

use super::{Row, Scope, Trial};

/// Every row, for this API.
pub(super) fn rows(trial: &Trial) -> Vec<Row> {
    vec![
        transport::no_credentials(trial),
        signature::touched(trial),
        signature::unsigned(trial),
        header::algorithm(trial),
        signature::shared_secret(trial),
        header::key_id(trial),
        header::own_key(trial),
        header::extension(trial),
        header::typ(trial),
        claims::dates(trial),
        claims::lifetime(trial),
        claims::audience(trial),
        claims::issuer(trial),
        form::repeated_members(trial),
        form::deep_and_large(trial),
        form::base64url(trial),
        form::segments(trial),
        form::encoding(trial),
        claims::roles(trial),
        transport::elsewhere(trial),
        transport::credentials(trial),
        padding::encodings(trial),
        claims::another_kind(trial),
        transport::paths(trial),
        not_applicable(
            "A.JV-28",
            "what ends while a token lives",
            "how long that takes is a figure to publish; JV-12 tests the rule",
        ),
        signature::mutations(trial),
        claims::required(trial),
        claims::bound(trial),
        claims::revoked(trial),
        claims::scope(trial),
    ]
}

fn not_applicable(id: &'static str, title: &'static str, reason: &'static str) -> Row {
    Row { id, title, scope: Scope::NotApplicable(reason) }
}
