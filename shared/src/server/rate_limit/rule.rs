//! The rules as an operator writes them.

use std::{num::NonZeroU32, str::FromStr, time::Duration};

/// A pace: so many in a time, and so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    pub(super) count: NonZeroU32,
    pub(super) per: Duration,
    pub(super) burst: NonZeroU32,
}

/// What is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum By {
    /// The requests of one address; in IPv6, of one /64.
    Ip,
    /// The requests with one `Authorization` or `X-API-Key` header, good or not.
    Credentials,
    /// The requests of one client.
    Client,
    /// The requests in the name of one user, or of one client that acts for itself.
    Subject,
    /// The requests made with one API key.
    Key,
}

/// A rule: who, where, how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    pub(super) by: By,
    /// The beginning of the paths that it is about; empty: every path.
    pub(super) path: String,
    pub(super) rate: Rate,
}

/// The text is no rate, or no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected `off`, or rules separated by commas, each of them `ip`, `credentials`, `client`, `subject` or `key`, perhaps \
     the beginning of a path, and a rate such as `10/minute` or `50/second burst 100`"
)]
pub struct RuleError;

/// Reads the rules of a setting; `off` is none.
pub fn rules(text: &str) -> Result<Vec<Rule>, RuleError> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("off") {
        return Ok(Vec::new());
    }
    text.split(',').map(str::parse).collect()
}

impl FromStr for Rate {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (rate, burst) = match words.as_slice() {
            [rate] => (*rate, None),
            [rate, "burst", burst] => (*rate, Some(burst.parse().map_err(|_| RuleError)?)),
            _ => return Err(RuleError),
        };
        let (count, unit) = rate.split_once('/').ok_or(RuleError)?;
        let per = match unit {
            "second" => Duration::from_secs(1),
            "minute" => Duration::from_mins(1),
            "hour" => Duration::from_hours(1),
            _ => return Err(RuleError),
        };
        let count: NonZeroU32 = count.parse().map_err(|_| RuleError)?;
        Ok(Self { count, per, burst: burst.unwrap_or(count) })
    }
}

impl Rate {
    /// The time in which a bucket gains one request.
    pub(super) fn pause(self) -> Duration {
        // Nobody comes once in a nanosecond, but such a rate can be written.
        (self.per / self.count.get()).max(Duration::from_micros(1))
    }
}

impl By {
    const ALL: [Self; 5] = [Self::Ip, Self::Credentials, Self::Client, Self::Subject, Self::Key];

    const fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Credentials => "credentials",
            Self::Client => "client",
            Self::Subject => "subject",
            Self::Key => "key",
        }
    }
}

impl FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Self, RuleError> {
        let (by, rest) = text.trim().split_once(char::is_whitespace).ok_or(RuleError)?;
        let by = By::ALL.into_iter().find(|known| known.name() == by).ok_or(RuleError)?;
        let rest = rest.trim_start();
        let (path, rate) =
            if rest.starts_with('/') { rest.split_once(char::is_whitespace).ok_or(RuleError)? } else { ("", rest) };
        Ok(Self { by, path: path.to_owned(), rate: rate.parse()? })
    }
}

impl Rule {
    /// What it is called in headers.
    pub(super) fn name(&self) -> String {
        // Between quotes in a header.
        let path: String = self.path.chars().filter(|char| char.is_ascii_graphic() && !matches!(char, '"' | '\\')).collect();
        format!("{}{path}", self.by.name())
    }

    /// What it allows, as the header tells it.
    pub(super) fn policy(&self) -> String {
        format!("\"{}\";q={};w={}", self.name(), self.rate.count, self.rate.per.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_read_and_what_is_none_is_refused() {
        let rate: Rate = "50/second burst 100".parse().unwrap();
        assert_eq!((rate.count.get(), rate.per, rate.burst.get()), (50, Duration::from_secs(1), 100));
        assert_eq!("10/minute".parse::<Rate>().unwrap().burst.get(), 10);
        for text in
            ["", "10", "10/day", "0/second", "-1/second", "10/second burst", "10/second burst 0", "10/second 5", "1e3/hour"]
        {
            assert_eq!(text.parse::<Rate>(), Err(RuleError), "{text:?}");
        }
    }

    #[test]
    fn rules_are_read_and_off_is_none() {
        assert_eq!(rules("off"), Ok(Vec::new()));
        let read = rules("ip 100/second burst 400, ip /oauth2/ 10/minute, credentials 5/second, key 1/hour").unwrap();
        assert_eq!(read.iter().map(Rule::name).collect::<Vec<_>>(), ["ip", "ip/oauth2/", "credentials", "key"]);
        for text in ["", "on", "ip", "ip /oauth2/", "user 1/second", "ip 1/second,", "ip=1/second"] {
            assert_eq!(rules(text), Err(RuleError), "{text:?}");
        }
    }
}
