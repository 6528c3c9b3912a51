//! The verifier's checks one by one, for somebody who wonders why a token is refused.

use super::{
    ACCESS_TOKEN_TYPE, AccessTokenClaims, AccessTokenError, AccessTokenVerifier, MAX_TOKEN_LENGTH,
    compact::Compact,
    verifier::{check_beginning, check_end, check_lifetime, check_names, read_claims, unix_now},
};

/// Everything that can be said about a token without asking anybody.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The checks, in the order of the verifier.
    pub checks: Vec<Check>,
    /// The key that the header names.
    pub key_id: Option<String>,
    /// The claims; nothing in them may be believed unless every check passed.
    pub claims: Option<AccessTokenClaims>,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub rule: &'static str,
    /// Which section asks it.
    pub section: &'static str,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Pass,
    /// It does not hold.
    Fail(String),
    /// A check before it failed, without which this one means nothing.
    NotReached,
}

const FORM: (&str, &str) = ("a compact JWS with acceptable JSON", "RFC 7515 §7.1, RFC 8725 §2.4");
const TYPE: (&str, &str) = ("`typ` is `at+jwt`", "RFC 9068 §4");
const ALGORITHM: (&str, &str) = ("`alg` is one that is accepted", "RFC 9068 §4, RFC 8725 §3.1");
const CRITICAL: (&str, &str) = ("`crit` demands nothing", "RFC 7515 §4.1.11");
const KEY: (&str, &str) = ("`kid` names a key that the issuer publishes", "RFC 9068 §4");
const SIGNATURE: (&str, &str) = ("the signature holds", "RFC 9068 §4");
const CLAIMS: (&str, &str) = ("every required claim is there", "RFC 9068 §2.2");
const ISSUER: (&str, &str) = ("`iss` is the issuer", "RFC 9068 §4");
const AUDIENCE: (&str, &str) = ("`aud` names the resource", "RFC 9068 §4, RFC 8725 §3.9");
const END: (&str, &str) = ("`exp` is in the future", "RFC 9068 §4");
const BEGINNING: (&str, &str) = ("`iat` and `nbf` are in the past", "RFC 7519 §4.1.5, §4.1.6");
const LIFETIME: (&str, &str) = ("it lives an hour at most", "a bound of this verifier");

impl AccessTokenVerifier {
    /// Says of each check whether this token passes it. [`Self::verify`] accepts a token exactly if all of them pass and
    /// it was not revoked.
    pub async fn explain(&self, token: &str) -> Explanation {
        let now = unix_now();
        let mut explanation = Explanation { checks: Vec::new(), key_id: None, claims: None };
        let parsed = if token.len() > MAX_TOKEN_LENGTH {
            Err(AccessTokenError::Malformed("it is too long"))
        } else {
            Compact::parse(token, ACCESS_TOKEN_TYPE)
        };
        let compact = match parsed {
            Ok(compact) => compact,
            Err(error) => {
                explanation.refused_header(error);
                return explanation;
            }
        };
        for rule in [FORM, CRITICAL, TYPE, ALGORITHM] {
            explanation.note(rule, Ok(()));
        }
        explanation.key_id = Some(compact.key_id.clone());
        match self.known_key(&compact.key_id).await {
            Ok(key) => {
                explanation.note(KEY, Ok(()));
                explanation.note(SIGNATURE, compact.verify(&key));
            }
            Err(error) => {
                explanation.note(KEY, Err(error));
                explanation.not_reached(SIGNATURE);
            }
        }
        let claims = read_claims(&compact.payload).and_then(|claims| check_names(&claims).map(|()| claims));
        match claims {
            Ok(claims) => {
                explanation.note(CLAIMS, Ok(()));
                explanation.note(ISSUER, self.check_issuer(&claims));
                explanation.note(AUDIENCE, self.check_audience(&claims));
                explanation.note(END, check_end(&claims, now));
                explanation.note(BEGINNING, check_beginning(&claims, now));
                explanation.note(LIFETIME, check_lifetime(&claims));
                explanation.claims = Some(claims);
            }
            Err(error) => {
                explanation.note(CLAIMS, Err(error));
                for rule in [ISSUER, AUDIENCE, END, BEGINNING, LIFETIME] {
                    explanation.not_reached(rule);
                }
            }
        }
        explanation
    }
}

impl Explanation {
    /// Whether every check passed.
    pub fn is_good(&self) -> bool {
        self.checks.iter().all(|check| check.outcome == Outcome::Pass)
    }

    /// What was said of a header: the checks before the one that failed passed, those after it were not reached.
    fn refused_header(&mut self, error: AccessTokenError) {
        let failed = match error {
            AccessTokenError::Critical => CRITICAL,
            AccessTokenError::Type => TYPE,
            AccessTokenError::Algorithm => ALGORITHM,
            _ => FORM,
        };
        let mut is_before = true;
        for rule in [FORM, CRITICAL, TYPE, ALGORITHM, KEY, SIGNATURE, CLAIMS, ISSUER, AUDIENCE, END, BEGINNING, LIFETIME] {
            if rule == failed {
                self.note(rule, Err(error));
                is_before = false;
            } else if is_before {
                self.note(rule, Ok(()));
            } else {
                self.not_reached(rule);
            }
        }
    }

    fn note(&mut self, (rule, section): (&'static str, &'static str), result: Result<(), AccessTokenError>) {
        let outcome = match result {
            Ok(()) => Outcome::Pass,
            Err(error) => Outcome::Fail(error.to_string()),
        };
        self.checks.push(Check { rule, section, outcome });
    }

    fn not_reached(&mut self, (rule, section): (&'static str, &'static str)) {
        self.checks.push(Check { rule, section, outcome: Outcome::NotReached });
    }
}
