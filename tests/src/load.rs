//! People at work, who write down what they were told, so that it can be audited later: after a crash, an outage, a restart.

use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use serde_json::json;
use tokio::{task::JoinSet, time::sleep};

use crate::{ADMIN_PASSWORD, Answer, Call, Http, OAuthClient, TestDatabase, Tokens};

/// How long somebody waits who was not answered, or asked to come back.
const PAUSE: Duration = Duration::from_millis(20);
/// How often somebody comes back who only looks whether everything is there.
const ATTEMPTS: usize = 100;
/// Every so many requests somebody logs in and out again; every so many, a user is created.
const LOGIN_EVERY: usize = 8;
const USER_EVERY: usize = 5;

/// How many crews have been hired.
static CREWS: AtomicUsize = AtomicUsize::new(0);

/// One administrator with one session, and the record of what they were told.
pub struct Worker {
    http: Http,
    client: OAuthClient,
    /// The session that must go on whatever happens.
    tokens: Tokens,
    turns: usize,
    name: String,
    ledger: Ledger,
}

/// What was acknowledged, and what else came back.
#[derive(Debug, Default)]
pub struct Ledger {
    /// How many requests were granted.
    pub acknowledged: usize,
    /// The ids of requests whose change must be on record.
    pub on_record: Vec<String>,
    /// Identifiers of the users that were created.
    pub users: Vec<String>,
    /// Refresh tokens that were revoked.
    pub revoked: Vec<String>,
    /// How many were asked to come back: 503 with `Retry-After`.
    pub unavailable: usize,
    /// How many were slowed down, as guesses are: a login that a crash cut off counts as a wrong one for a while.
    pub slowed: usize,
    /// How many got no answer.
    pub unanswered: usize,
    /// Whatever else came back.
    pub unexpected: Vec<String>,
    /// The longest that anybody waited for a 503.
    pub slowest_unavailable: Duration,
}

/// What an audit found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Acknowledged and not there any more.
    pub lost: Vec<String>,
    /// People whose session did not go on.
    pub logged_out: Vec<String>,
    /// Families with more than one living link.
    pub forked: Vec<String>,
}

/// People at work.
pub struct Load {
    running: JoinSet<Worker>,
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
}

impl Worker {
    /// So many administrators, each with a session at the service that answers here.
    pub async fn hire(count: usize, http: &Http) -> Vec<Self> {
        // Those who were hired before them have created users, too.
        let crew = CREWS.fetch_add(1, Ordering::Relaxed);
        let mut workers = Vec::new();
        for number in 0..count {
            let client = OAuthClient::first_party(http.clone()).scope("account admin:users");
            let tokens = Tokens::of(&settled(client.password_request("admin", ADMIN_PASSWORD)).await);
            let name = format!("crew-{crew}-{number}");
            workers.push(Self { http: http.clone(), client, tokens, turns: 0, name, ledger: Ledger::default() });
        }
        workers
    }

    /// Sends them to work, until they are told to stop.
    pub fn start(workers: Vec<Self>) -> Load {
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let mut running = JoinSet::new();
        for worker in workers {
            running.spawn(worker.work(Arc::clone(&stop), Arc::clone(&acknowledged)));
        }
        Load { running, stop, acknowledged }
    }

    /// What they were told.
    pub const fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// The latest access token.
    pub fn access_token(&self) -> &str {
        &self.tokens.access
    }

    /// Sends them elsewhere from now on.
    pub fn call(&mut self, http: &Http) {
        self.http = http.clone();
        self.client = OAuthClient::first_party(http.clone()).scope("account admin:users");
    }

    async fn work(mut self, stop: Arc<AtomicBool>, acknowledged: Arc<AtomicUsize>) -> Self {
        while !stop.load(Ordering::Relaxed) {
            let before = self.ledger.acknowledged;
            self.turns += 1;
            self.refresh().await;
            if self.turns.is_multiple_of(LOGIN_EVERY) {
                self.log_in_and_out().await;
            }
            if self.turns.is_multiple_of(USER_EVERY) {
                self.create_user().await;
            }
            acknowledged.fetch_add(self.ledger.acknowledged - before, Ordering::Relaxed);
        }
        self
    }

    /// Refreshes; whoever gets no answer keeps the old token and shows it again.
    async fn refresh(&mut self) {
        let request = self.client.refresh_request(&self.tokens.refresh);
        if let Some(answer) = self.expect(request, 200).await {
            self.tokens = Tokens::of(&answer);
        }
    }

    async fn log_in_and_out(&mut self) {
        let request = self.client.password_request("admin", ADMIN_PASSWORD);
        let Some(answer) = self.expect(request, 200).await else { return };
        self.on_record(&answer);
        let tokens = Tokens::of(&answer);
        let request = self.client.request_at("/oauth2/revoke", &[("token", &tokens.refresh)]);
        if let Some(answer) = self.expect(request, 200).await {
            self.on_record(&answer);
            self.ledger.revoked.push(tokens.refresh);
        }
    }

    async fn create_user(&mut self) {
        let username = format!("{}-{}", self.name, self.turns);
        let body = json!({"username": username, "password": "correct horse battery staple", "roles": ["reader"]});
        let request = self.http.post("/admin/users").bearer(&self.tokens.access).json(&body);
        if let Some(answer) = self.expect(request, 201).await {
            self.on_record(&answer);
            self.ledger.users.push(answer.json()["user"]["id"].as_str().expect("a user has an identifier").to_owned());
        }
    }

    fn on_record(&mut self, answer: &Answer) {
        self.ledger.on_record.extend(answer.header("x-request-id").map(ToOwned::to_owned));
    }

    async fn expect(&mut self, request: Call, status: u16) -> Option<Answer> {
        let began = Instant::now();
        match request.try_send().await {
            Ok(answer) if answer.status() == status => {
                self.ledger.acknowledged += 1;
                return Some(answer);
            }
            Ok(answer) if answer.status() == 503 && answer.header("retry-after").is_some() => {
                self.ledger.unavailable += 1;
                self.ledger.slowest_unavailable = self.ledger.slowest_unavailable.max(began.elapsed());
            }
            Ok(answer) if answer.status() == 429 => self.ledger.slowed += 1,
            Ok(answer) => self.ledger.unexpected.push(answer.to_string()),
            Err(_) => self.ledger.unanswered += 1,
        }
        sleep(PAUSE).await;
        None
    }

    /// Whether their session goes on: with the last token they were given, whether or not the answer after it was lost.
    async fn goes_on(&mut self) -> bool {
        let answer = settled(self.client.refresh_request(&self.tokens.refresh)).await;
        if answer.status() != 200 {
            return false;
        }
        self.tokens = Tokens::of(&answer);
        settled(self.http.get("/account").bearer(&self.tokens.access)).await.status() == 200
    }
}

impl Findings {
    /// Adds what another audit found.
    pub fn add(&mut self, other: Self) {
        self.lost.extend(other.lost);
        self.logged_out.extend(other.logged_out);
        self.forked.extend(other.forked);
    }
}

impl Load {
    /// How many requests have been granted so far.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Lets everybody finish what they are at.
    pub async fn stop(self) -> Vec<Worker> {
        self.stop.store(true, Ordering::Relaxed);
        self.running.join_all().await
    }
}

/// Compares what was acknowledged with what is there.
pub async fn audit(workers: &mut [Worker], database: &TestDatabase) -> Findings {
    let mut findings = Findings::default();
    let recorded =
        texts(database, "SELECT request_id AS text FROM audit_event WHERE request_id IS NOT NULL AND outcome = 'ok'").await;
    let users = texts(database, r#"SELECT id AS text FROM "user" JOIN user_role ON user_id = id WHERE role = 'reader'"#).await;
    for worker in &mut *workers {
        let ledger = &worker.ledger;
        let unrecorded = ledger.on_record.iter().filter(|id| !recorded.contains(*id));
        findings.lost.extend(unrecorded.map(|id| format!("the record of request {id}")));
        findings.lost.extend(ledger.users.iter().filter(|id| !users.contains(*id)).map(|id| format!("the user {id}")));
        for token in &ledger.revoked {
            let answer = settled(worker.client.refresh_request(token)).await;
            if answer.status() != 400 {
                findings.lost.push(format!("a revocation: {answer}"));
            }
        }
        // Looked at once; the next audit looks at what comes then.
        worker.ledger.revoked.clear();
    }
    let sessions = audit_sessions(workers, database).await;
    Findings { lost: findings.lost, ..sessions }
}

/// Looks whether everybody's session goes on, and each family has one living link.
pub async fn audit_sessions(workers: &mut [Worker], database: &TestDatabase) -> Findings {
    let mut findings = Findings::default();
    for worker in &mut *workers {
        if !worker.goes_on().await {
            findings.logged_out.push(worker.name.clone());
        }
    }
    let forked = "SELECT session_id AS text FROM refresh_token WHERE consumed_at IS NULL AND digest IS NOT NULL \
                  GROUP BY session_id HAVING COUNT(*) > 1";
    findings.forked.extend(texts(database, forked).await);
    findings
}

/// The answer of a service that is not asked to hurry: whoever should come back does.
async fn settled(request: Call) -> Answer {
    for _ in 0..ATTEMPTS {
        let answer = request.clone().send().await;
        if ![429, 503].contains(&answer.status()) {
            return answer;
        }
        sleep(PAUSE * 10).await;
    }
    request.send().await
}

async fn texts(database: &TestDatabase, sql: &str) -> HashSet<String> {
    database.rows(sql).await.iter().map(|row| row.try_get("", "text").expect("the query selects `text`")).collect()
}
