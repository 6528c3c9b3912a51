//! What one request may still take, from its arrival to its answer.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use poem::{
    FromRequest, Request, RequestBody, Response,
    http::{HeaderMap, header},
};

use super::{RateLimits, Spend, rule::By, standing::Standing};
use crate::server::client_ip::network_of;

pub use super::standing::TooManyRequests;

/// Who a request comes from, as far as that has been proved: see [`Allowance::spend`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Identity<'a> {
    /// The client that makes it.
    pub client: Option<Client<'a>>,
    /// For whom it is made.
    pub subject: Option<&'a str>,
    /// The API key that it was made with.
    pub key: Option<&'a str>,
}

/// A client, and whether it could only be that one.
#[derive(Clone, Copy, Debug)]
pub enum Client<'a> {
    /// It has shown its secret, or a token that was issued to it.
    Proven(&'a str),
    /// It has only said its name, as public clients do.
    Claimed(&'a str),
}

/// The share of the rate limits that a request has. A clone is the same share.
///
/// What can be known at once is counted when the request arrives. Who it is from is known only once its credentials have
/// been verified, so whoever does that says so with [`Allowance::spend`].
#[derive(Clone, Default)]
pub struct Allowance(Option<Arc<Account>>);

struct Account {
    limits: Arc<RateLimits>,
    path: String,
    address: IpAddr,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    standing: Standing,
    is_identified: bool,
}

impl Allowance {
    /// Gives a request its allowance, where there are limits.
    pub(in crate::server) fn open(limits: Option<&Arc<RateLimits>>, request: &mut Request, address: IpAddr) -> Self {
        let path = request.uri().path();
        // A probe must not be the request that is too many.
        let account = limits.filter(|_| !path.starts_with("/health/")).map(|limits| {
            let (path, ledger) = (path.to_owned(), Mutex::default());
            Arc::new(Account { limits: Arc::clone(limits), path, address, ledger })
        });
        let allowance = Self(account);
        if allowance.0.is_some() {
            request.extensions_mut().insert(allowance.clone());
        }
        allowance
    }

    /// The allowance of a request; without limits if it did not come through the edge.
    pub fn of(request: &Request) -> Self {
        request.extensions().get::<Self>().cloned().unwrap_or_default()
    }

    /// Counts the request by what can be seen of it: its address, and the credentials it shows, good or not.
    pub(in crate::server) async fn arrive(&self, headers: &HeaderMap) {
        let Some(account) = &self.0 else { return };
        let shown = [header::AUTHORIZATION.as_str(), "x-api-key"].map(|name| headers.get(name));
        let shown = shown.into_iter().flatten().next().map(|shown| shown.as_bytes().to_vec());
        account
            .count(|by| match by {
                By::Ip => Some(network_of(account.address).to_string().into_bytes()),
                By::Credentials => shown.clone(),
                By::Client | By::Subject | By::Key => None,
            })
            .await;
    }

    /// Counts the request by who it comes from, once, and refuses it if that is too many.
    ///
    /// Nobody can use up what is somebody else's. A client that has not proved its name shares the name with everybody on its
    /// own network only, and what a client does for somebody is counted for the two of them together.
    pub async fn spend(&self, who: Identity<'_>) -> Result<(), TooManyRequests> {
        let Some(account) = &self.0 else { return Ok(()) };
        if std::mem::replace(&mut account.ledger().is_identified, true) {
            return Ok(());
        }
        account
            .count(|by| match by {
                By::Ip | By::Credentials => None,
                By::Client => who.client.map(|client| client.bucket(who.subject, account.address)),
                By::Subject => who.subject.map(|subject| subject.as_bytes().to_vec()),
                By::Key => who.key.map(|key| key.as_bytes().to_vec()),
            })
            .await;
        account.ledger().standing.check()
    }

    /// Refuses the request if it is one too many.
    pub(in crate::server) fn check(&self) -> Result<(), TooManyRequests> {
        self.0.as_ref().map_or(Ok(()), |account| account.ledger().standing.check())
    }

    /// Tells the sender in the answer's headers.
    pub(in crate::server) fn tell(&self, response: &mut Response) {
        if let Some(account) = &self.0 {
            account.ledger().standing.tell(response);
        }
    }
}

impl Account {
    /// Counts the request under each rule for its path that applies to what `who` makes of it.
    async fn count(&self, who: impl Fn(By) -> Option<Vec<u8>>) {
        let rules = self.limits.rules.iter().enumerate().filter(|(_, rule)| self.path.starts_with(&rule.path));
        let spends: Vec<Spend> = rules.filter_map(|(rule, by)| Some(Spend { rule, who: who(by.by)? })).collect();
        if spends.is_empty() {
            return;
        }
        let verdicts = self.limits.take(&spends).await;
        let mut ledger = self.ledger();
        for (spend, verdict) in spends.iter().zip(verdicts) {
            ledger.standing.add(&self.limits.rules[spend.rule], &verdict);
        }
    }

    fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Client<'_> {
    /// What is counted together: identifiers hold no control characters, so nothing else is spelt the same.
    fn bucket(self, subject: Option<&str>, address: IpAddr) -> Vec<u8> {
        match self {
            Self::Proven(client) => match subject.filter(|subject| *subject != client) {
                Some(subject) => format!("{client}\0{subject}").into_bytes(),
                None => client.as_bytes().to_vec(),
            },
            Self::Claimed(client) => format!("{client}\0\0{}", network_of(address)).into_bytes(),
        }
    }
}

impl<'a> FromRequest<'a> for Allowance {
    async fn from_request(request: &'a Request, _: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self::of(request))
    }
}
