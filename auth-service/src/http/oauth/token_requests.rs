//! How many tokens were asked for, by grant, and what came of it.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use shared::server::metrics::Metrics;

use super::error::OAuthRefusal;
use crate::grant::GrantType;

/// What a request is counted as that got its tokens.
const ISSUED: &str = "issued";

/// Counts requests to the token endpoint that reached it as a form. A clone counts along.
#[derive(Clone, Default)]
pub(crate) struct TokenRequests(Family<Labels, Counter>);

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Labels {
    grant: &'static str,
    outcome: &'static str,
}

impl TokenRequests {
    /// Publishes them; a grant that nobody has used yet is there with nothing.
    pub(crate) fn publish(&self, metrics: &Metrics, offered: &[GrantType]) {
        for grant in offered {
            drop(self.0.get_or_create(&Labels { grant: name(Some(*grant)), outcome: ISSUED }));
        }
        metrics.register(|registry| {
            registry.register("token_requests", "Requests to the token endpoint, by grant and outcome", self.0.clone());
        });
    }

    /// Counts one. There is no grant if the request names none of ours.
    pub(super) fn count<T>(&self, grant: Option<GrantType>, answer: &Result<T, OAuthRefusal>) {
        let outcome = answer.as_ref().map_or_else(OAuthRefusal::outcome, |_| ISSUED);
        self.0.get_or_create(&Labels { grant: name(grant), outcome }).inc();
    }
}

/// The grant in a word; the last one's own name is a URN.
const fn name(grant: Option<GrantType>) -> &'static str {
    match grant {
        Some(GrantType::Password) => "password",
        Some(GrantType::ClientCredentials) => "client_credentials",
        Some(GrantType::RefreshToken) => "refresh_token",
        Some(GrantType::TokenExchange) => "token_exchange",
        None => "unknown",
    }
}
