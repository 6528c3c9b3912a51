//! Refreshing while others refresh, revoke, change the password or disable the account (RFC 9700 §4.14).
//!
//! `RACE_ROUNDS` makes the races longer than they are in every run.

use std::{collections::HashSet, env, time::Duration};

use auth_service::ClientKind;
use tests::{Answer, OAuthClient, PASSWORD, Stack, Tokens, jwt::Token};
use tokio::{task::JoinSet, time::sleep};

/// How often a race is run: `RACE_ROUNDS`, or as often as is good for every run.
fn rounds(usual: u64) -> u64 {
    env::var("RACE_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

const OTHER_PASSWORD: &str = "another phrase that nobody guesses";

/// The links that could still be exchanged: of sessions that have not ended, for users as they are now.
async fn living_links(stack: &Stack) -> usize {
    let living = r#"
        SELECT link.seq FROM refresh_token AS link
        JOIN session ON session.id = link.session_id
        JOIN "user" ON "user".id = session.user_id
        JOIN client ON client.id = session.client_id
        WHERE link.consumed_at IS NULL AND link.digest IS NOT NULL AND session.ended_at IS NULL
          AND "user".generation = session.generation AND "user".state = 'active' AND client.state = 'active'
    "#;
    stack.auth_home().database().rows(living).await.len()
}

/// Whose tokens these are.
fn subject(tokens: &Tokens) -> serde_json::Value {
    Token::read(&tokens.access).claims["sub"].clone()
}

/// Uses one refresh token this many times at once.
async fn at_once(client: &OAuthClient, refresh_token: &str, times: usize) -> Vec<Answer> {
    let mut crowd = JoinSet::new();
    for _ in 0..times {
        crowd.spawn(client.refresh_request(refresh_token).send());
    }
    crowd.join_all().await
}

/// Refreshes again and again until that is refused, and returns every refresh token it saw.
async fn refresh_until_refused(client: OAuthClient, first: String) -> Vec<String> {
    let mut seen = vec![first];
    for _ in 0..1000 {
        let answer = client.refresh(seen.last().expect("there is a first")).await;
        if answer.status() != 200 {
            answer.assert_oauth_error(400, "invalid_grant");
            return seen;
        }
        seen.push(Tokens::of(&answer).refresh);
    }
    panic!("it is never refused");
}

/// Logs in again and again until that is refused, and returns every refresh token it got.
async fn log_in_until_refused(client: OAuthClient) -> Vec<String> {
    let mut seen = Vec::new();
    for _ in 0..1000 {
        let answer = client.password("ada", PASSWORD).await;
        if answer.status() != 200 {
            assert!(matches!(answer.status(), 400 | 401), "{answer}");
            return seen;
        }
        seen.push(Tokens::of(&answer).refresh);
    }
    panic!("it is never refused");
}

#[tokio::test]
async fn rf_04_a_rr_02_fifty_parallel_uses_leave_one_living_link_and_nobody_logged_out() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();
    let mut refresh_token = client.open_session("ada", PASSWORD).await.refresh;

    for round in 0..rounds(10) {
        let answers = at_once(&client, &refresh_token, 50).await;

        let successors: HashSet<String> = answers.iter().map(|answer| Tokens::of(answer).refresh).collect();
        assert_eq!(successors.len(), 1, "round {round}: everybody has the same successor");
        assert_eq!(living_links(&stack).await, 1, "round {round}");
        refresh_token = successors.into_iter().next().expect("there is one");
    }
    client.next_tokens(&refresh_token).await;
}

#[tokio::test]
async fn a_rr_02_without_a_grace_parallel_uses_give_one_successor_at_most() {
    let stack = Stack::builder().auth(|config| config.refresh_grace = Duration::ZERO).with_ada("editor").await;
    let client = stack.client();

    for round in 0..4 {
        let tokens = client.open_session("ada", PASSWORD).await;
        let answers = at_once(&client, &tokens.refresh, 20).await;

        let (granted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status() == 200);
        assert_eq!(granted.len(), 1, "round {round}");
        for answer in &refused {
            answer.assert_oauth_error(400, "invalid_grant");
        }
        assert_eq!(living_links(&stack).await, 0, "round {round}: the others were replays, and ended the family");
    }
}

#[tokio::test]
async fn a_rr_02_a_token_and_its_successor_used_at_once_never_leave_two_living_links() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();

    for round in 0..4 {
        let first = client.open_session("ada", PASSWORD).await;
        let second = client.next_tokens(&first.refresh).await;
        let before = living_links(&stack).await;

        let mut crowd = JoinSet::new();
        for token in [&first.refresh, &second.refresh].repeat(10) {
            crowd.spawn(client.refresh_request(token).send());
        }
        crowd.join_all().await;

        assert!(living_links(&stack).await <= before, "round {round}");
        // Whoever comes too late with the first was told from a thief by nothing, so that the family may have ended.
        client.revoke(&second.refresh).await.assert_status(200);
        assert_eq!(living_links(&stack).await, 0, "round {round}");
    }
}

#[tokio::test]
async fn a_rr_02_many_families_at_once_keep_to_themselves() {
    let stack = Stack::with_ada("editor").await;
    stack.user("grace", &["reader"]).await;
    let client = stack.client();
    let mut families = Vec::new();
    for username in ["ada", "grace"].repeat(12) {
        let tokens = client.open_session(username, PASSWORD).await;
        families.push((subject(&tokens), tokens.refresh));
    }
    // One of them has ended, and its token comes along with the others.
    let (_, ended) = families.pop().expect("there are some");
    client.revoke(&ended).await;

    for round in 0..rounds(5) {
        let mut crowd = JoinSet::new();
        for (place, (_, refresh_token)) in families.iter().enumerate() {
            // Some say it twice.
            for _ in 0..=place % 2 {
                let refreshing = client.refresh_request(refresh_token).send();
                crowd.spawn(async move { (place, refreshing.await) });
            }
        }
        let late = client.refresh(&ended).await;
        late.assert_oauth_error(400, "invalid_grant");
        let mut successors = vec![HashSet::new(); families.len()];
        for (place, answer) in crowd.join_all().await {
            let tokens = Tokens::of(&answer);
            assert_eq!(subject(&tokens), families[place].0, "round {round}: everybody is who they were");
            successors[place].insert(tokens.refresh);
        }
        for (family, successors) in families.iter_mut().zip(successors) {
            assert_eq!(successors.len(), 1, "round {round}: each family has one successor");
            family.1 = successors.into_iter().next().expect("there is one");
        }
        assert_eq!(living_links(&stack).await, families.len(), "round {round}");
    }
}

#[tokio::test]
async fn a_rr_11_after_a_revocation_nothing_lives_however_many_refresh_meanwhile() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();

    for round in 0..rounds(25) {
        let first = client.open_session("ada", PASSWORD).await.refresh;
        let mut refreshing = JoinSet::new();
        refreshing.spawn(refresh_until_refused(client.clone(), first.clone()));
        // Another moment each time, from before the first refresh is read to after several.
        sleep(Duration::from_millis(round % 25)).await;
        client.revoke(&first).await.assert_status(200);
        assert_eq!(living_links(&stack).await, 0, "round {round}");

        for token in refreshing.join_all().await.concat() {
            client.refresh(&token).await.assert_oauth_error(400, "invalid_grant");
        }
        assert_eq!(living_links(&stack).await, 0, "round {round}");
    }
}

#[tokio::test]
async fn rf_05_a_new_password_wins_every_race() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();

    for (from, to) in [(PASSWORD, OTHER_PASSWORD), (OTHER_PASSWORD, PASSWORD)].repeat(3) {
        let mut racing = JoinSet::new();
        for _ in 0..4 {
            let first = client.open_session("ada", from).await.refresh;
            racing.spawn(refresh_until_refused(client.clone(), first));
        }
        stack.operator().set_password("ada", to).await.expect("it is acceptable");
        assert_eq!(living_links(&stack).await, 0);

        for token in racing.join_all().await.concat() {
            client.refresh(&token).await.assert_oauth_error(400, "invalid_grant");
        }
        assert_eq!(living_links(&stack).await, 0);
    }
}

#[tokio::test]
async fn rf_05_a_disabled_user_loses_every_race() {
    let stack = Stack::with_ada("editor").await;
    let client = stack.client();

    for _ in 0..6 {
        let mut racing = JoinSet::new();
        for _ in 0..3 {
            let first = client.open_session("ada", PASSWORD).await.refresh;
            racing.spawn(refresh_until_refused(client.clone(), first));
            racing.spawn(log_in_until_refused(client.clone()));
        }
        stack.operator().enable_user("ada", false).await.expect("there is such a user");
        let seen = racing.join_all().await.concat();
        stack.operator().enable_user("ada", true).await.expect("there is such a user");

        assert_eq!(living_links(&stack).await, 0, "nothing comes back to life");
        for token in seen {
            client.refresh(&token).await.assert_oauth_error(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn a_ca_11_a_disabled_client_loses_every_race() {
    let stack = Stack::with_ada("editor").await;
    let grants = ["password", "refresh_token"];
    let app = stack.auth().register(stack.new_client("app", ClientKind::Public, &grants, "documents:read")).await;

    for _ in 0..8 {
        let mut racing = JoinSet::new();
        for _ in 0..6 {
            racing.spawn(log_in_until_refused(app.clone()));
        }
        stack.operator().enable_client("app", false).await.expect("there is such a client");
        let seen = racing.join_all().await.concat();
        stack.operator().enable_client("app", true).await.expect("there is such a client");

        assert_eq!(living_links(&stack).await, 0, "nothing comes back to life");
        for token in seen {
            app.refresh(&token).await.assert_oauth_error(400, "invalid_grant");
        }
    }
}
