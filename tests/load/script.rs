//! What is asked on one connection, one request after the other.

use std::time::Duration;

use anyhow::Context;

use crate::{
    client::{Answer, Heed, Same, Script, member},
    services::Services,
};

/// The same at a steady pace, so that it shows how long an answer takes beside other work, and is no work itself.
#[derive(Clone)]
pub(crate) struct Paced(pub(crate) Same, pub(crate) Duration);

impl Script for Paced {
    fn next(&mut self) -> Option<&[u8]> {
        self.0.next()
    }

    fn heed(&mut self, answer: &Answer<'_>) -> Heed {
        self.0.heed(answer)
    }

    fn pause(&self) -> Duration {
        self.1
    }
}

/// A login that ends as expected, or is told that there are too many at once and comes again a second later, as it was told.
#[derive(Clone)]
pub(crate) struct Patient {
    request: Vec<u8>,
    expected: u16,
    pause: Duration,
}

impl Patient {
    pub(crate) const fn new(request: Vec<u8>, expected: u16) -> Self {
        Self { request, expected, pause: Duration::ZERO }
    }
}

impl Script for Patient {
    fn next(&mut self) -> Option<&[u8]> {
        Some(&self.request)
    }

    fn heed(&mut self, answer: &Answer<'_>) -> Heed {
        const RETRY_AFTER: Duration = Duration::from_secs(1);
        let (heed, pause) = match answer.status {
            status if status == self.expected => (Heed::Expected, Duration::ZERO),
            503 => (Heed::TurnedAway, RETRY_AFTER),
            _ => (Heed::Unexpected, Duration::ZERO),
        };
        self.pause = pause;
        heed
    }

    fn pause(&self) -> Duration {
        self.pause
    }
}

/// One request after the other, each once.
pub(crate) struct Each {
    requests: std::vec::IntoIter<Vec<u8>>,
    current: Vec<u8>,
    status: u16,
}

impl Each {
    /// Divides requests among so many connections.
    pub(crate) fn divided(requests: Vec<Vec<u8>>, connections: usize, status: u16) -> Vec<Self> {
        let mut parts: Vec<Vec<Vec<u8>>> = vec![Vec::new(); connections];
        for (number, request) in requests.into_iter().enumerate() {
            parts[number % connections].push(request);
        }
        parts.into_iter().map(|part| Self { requests: part.into_iter(), current: Vec::new(), status }).collect()
    }
}

impl Script for Each {
    fn next(&mut self) -> Option<&[u8]> {
        self.current = self.requests.next()?;
        Some(&self.current)
    }

    fn heed(&mut self, answer: &Answer<'_>) -> Heed {
        Heed::status(answer, self.status)
    }
}

/// A family of refresh tokens, each exchanged for the next.
pub(crate) struct Refreshing {
    head: String,
    token: String,
    request: Vec<u8>,
}

impl Refreshing {
    /// Begins with this token.
    pub(crate) fn new(services: &Services, token: String) -> anyhow::Result<Self> {
        let text = String::from_utf8(services.form("/oauth2/token", Some(("first-party", "")), &[]))?;
        let (head, _) = text.split_once("content-length").context("a form has a length")?;
        Ok(Self { head: head.to_owned(), token, request: Vec::new() })
    }
}

impl Script for Refreshing {
    fn next(&mut self) -> Option<&[u8]> {
        let body = format!("grant_type=refresh_token&refresh_token={}", self.token);
        self.request = format!("{}content-length: {}\r\n\r\n{body}", self.head, body.len()).into_bytes();
        Some(&self.request)
    }

    fn heed(&mut self, answer: &Answer<'_>) -> Heed {
        match member(answer.body, "refresh_token") {
            Ok(token) if answer.status == 200 => {
                self.token = token;
                Heed::Expected
            }
            _ => Heed::Unexpected,
        }
    }
}

/// Of several kinds of request one at a time, by weight, and in the same order in every run.
pub(crate) struct Mixed {
    parts: Vec<(u32, Box<dyn Script>)>,
    state: u64,
    current: usize,
}

impl Mixed {
    /// `seed` is where the order begins.
    pub(crate) fn new(seed: u64, parts: Vec<(u32, Box<dyn Script>)>) -> Self {
        Self { parts, state: seed, current: 0 }
    }

    /// Knuth's linear congruential generator: good enough to shuffle requests.
    fn draw(&mut self, below: u32) -> u32 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.state >> 33) % u64::from(below)).unwrap_or(0)
    }
}

impl Script for Mixed {
    fn next(&mut self) -> Option<&[u8]> {
        let whole = self.parts.iter().map(|(weight, _)| weight).sum();
        let mut drawn = self.draw(whole);
        self.current = self.parts.iter().position(|(weight, _)| {
            let is_it = drawn < *weight;
            drawn = drawn.saturating_sub(*weight);
            is_it
        })?;
        self.parts[self.current].1.next()
    }

    fn heed(&mut self, answer: &Answer<'_>) -> Heed {
        self.parts[self.current].1.heed(answer)
    }
}
