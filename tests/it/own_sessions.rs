//! A person's own sessions: to see them, and to end one or all.

use serde_json::Value;
use tests::{ADMIN_PASSWORD, Answer, PASSWORD, Stack, Tokens};

async fn account_session(stack: &Stack, username: &str) -> Tokens {
    stack.client().scope("account").open_session(username, PASSWORD).await
}

async fn list(stack: &Stack, token: &str) -> Vec<Value> {
    let answer = stack.auth().http().get("/account/sessions").bearer(token).send().await.assert_ok();
    answer["sessions"].as_array().expect("a list").clone()
}

async fn end(stack: &Stack, token: &str, path: &str) -> Answer {
    stack.auth().http().delete(path).bearer(token).send().await
}

fn id(session: &Value) -> &str {
    session["id"].as_str().expect("an identifier")
}

#[tokio::test]
async fn a_person_sees_their_sessions_and_which_one_is_this() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    stack.user("rob", &["reader"]).await;
    account_session(&stack, "rob").await;
    let phone = stack.client().password_request("ada", PASSWORD).header("user-agent", "the phone of ada").send().await;
    phone.assert_tokens();
    let this = account_session(&stack, "ada").await;
    let renewed = stack.client().next_tokens(&this.refresh).await;

    for token in [&this.access, &renewed.access] {
        let sessions = list(&stack, token).await;

        assert_eq!(sessions.len(), 2, "{sessions:?}");
        let (current, other): (Vec<_>, Vec<_>) = sessions.iter().partition(|session| session["current"] == true);
        assert_eq!((current.len(), other.len()), (1, 1), "{sessions:?}");
        assert_eq!(other[0]["device"], "the phone of ada");
        assert_eq!(other[0]["client_id"], "first-party");
        assert_eq!(other[0]["ip"], "127.0.0.1");
        assert_eq!(other[0]["resource"], stack.resource().id());
        assert_eq!(other[0]["scope"], "documents:read documents:write");
        assert_eq!(current[0]["scope"], "account");
        for member in ["created_at", "last_used_at", "expires_at"] {
            assert!(other[0][member].as_str().is_some_and(|date| date.ends_with('Z')), "{sessions:?}");
        }
    }
}

/// Every session that the pages at `path` hold, two on a page.
async fn all_pages(stack: &Stack, token: &str, path: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    let mut page_path = format!("{path}?limit=2");
    loop {
        let answer = stack.auth().http().get(&page_path).bearer(token).send().await;
        let page = answer.assert_ok();
        let sessions = page["sessions"].as_array().expect("a list");
        assert!(!sessions.is_empty() && sessions.len() <= 2, "{page}");
        seen.extend(sessions.iter().cloned());
        let Some(cursor) = page["next_cursor"].as_str() else {
            assert_eq!(answer.header("link"), None);
            return seen;
        };
        page_path = format!("{path}?limit=2&cursor={cursor}");
        assert_eq!(answer.header("link"), Some(&*format!("<{page_path}>; rel=\"next\"")));
    }
}

#[tokio::test]
async fn sessions_come_in_pages_to_their_owner_and_to_administrators() {
    let stack = Stack::start().await;
    let ada = stack.user("ada", &["editor"]).await;
    for _ in 0..4 {
        account_session(&stack, "ada").await;
    }
    let token = account_session(&stack, "ada").await.access;
    let admin = stack.client().scope("admin:users").log_in("admin", ADMIN_PASSWORD).await;
    let of_admin = format!("/admin/users/{ada}/sessions");

    for (token, path) in [(&*token, "/account/sessions"), (&*admin, &*of_admin)] {
        let seen = all_pages(&stack, token, path).await;

        let mut ids: Vec<_> = seen.iter().map(id).collect();
        assert_eq!(ids.len(), 5, "{seen:?}");
        let used: Vec<_> = seen.iter().map(|session| session["last_used_at"].as_str().expect("a date")).collect();
        assert!(used.is_sorted_by(|one, next| one >= next), "{used:?}");
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 5, "a session is on two pages: {seen:?}");
        for query in ["cursor=nonsense", "limit=0", "limit=101"] {
            let path = format!("{path}?{query}");
            stack.auth().http().get(&path).bearer(token).send().await.assert_problem(400);
        }
    }
}

#[tokio::test]
async fn a_person_ends_one_of_their_sessions() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let other = stack.client().open_session("ada", PASSWORD).await;
    let this = account_session(&stack, "ada").await;
    stack.present(&other.access).await.assert_ok();
    let sessions = list(&stack, &this.access).await;
    let other_id = id(sessions.iter().find(|session| session["current"] == false).expect("the other one")).to_owned();
    let path = format!("/account/sessions/{other_id}");

    end(&stack, &this.access, &path).await.assert_status(204);

    stack.client().refresh(&other.refresh).await.assert_oauth_error(400, "invalid_grant");
    stack.await_refusal(&other.access).await;
    assert_eq!(list(&stack, &this.access).await.len(), 1);
    end(&stack, &this.access, &path).await.assert_problem(404);
    let event = stack.auth_home().database().row("SELECT actor, subject FROM audit_event WHERE action = 'session.end'").await;
    assert_eq!(event.try_get::<String>("", "actor").expect("by"), event.try_get::<String>("", "subject").expect("about"));
}

#[tokio::test]
async fn the_session_of_this_token_can_be_ended_too() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let this = account_session(&stack, "ada").await;
    let sessions = list(&stack, &this.access).await;

    end(&stack, &this.access, &format!("/account/sessions/{}", id(&sessions[0]))).await.assert_status(204);

    stack.auth().http().get("/account").bearer(&this.access).send().await.assert_invalid_token();
}

#[tokio::test]
async fn a_um_02_a_session_of_somebody_else_does_not_exist() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    stack.user("rob", &["reader"]).await;
    let (of_ada, of_rob) = (account_session(&stack, "ada").await, account_session(&stack, "rob").await);
    let rob_id = id(&list(&stack, &of_rob.access).await[0]).to_owned();

    let theirs = end(&stack, &of_ada.access, &format!("/account/sessions/{rob_id}")).await;

    theirs.assert_problem(404);
    for path in ["ses_unheard-of", "%27%20OR%201=1", "*", "current"] {
        let nobodys = end(&stack, &of_ada.access, &format!("/account/sessions/{path}")).await;
        nobodys.assert_problem(404);
        assert_eq!(nobodys.json()["detail"], theirs.json()["detail"]);
    }
    assert_eq!(list(&stack, &of_rob.access).await.len(), 1);
    stack.client().next_tokens(&of_rob.refresh).await;
}

#[tokio::test]
async fn all_sessions_end_at_once_with_or_without_this_one() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    stack.user("rob", &["reader"]).await;
    let of_rob = account_session(&stack, "rob").await;
    let other = stack.client().open_session("ada", PASSWORD).await;
    account_session(&stack, "ada").await;
    let this = account_session(&stack, "ada").await;
    stack.present(&other.access).await.assert_ok();

    let others = end(&stack, &this.access, "/account/sessions?keep_current=true").await.assert_ok();
    assert_eq!(others["ended"], 2);
    stack.client().refresh(&other.refresh).await.assert_oauth_error(400, "invalid_grant");
    stack.await_refusal(&other.access).await;
    assert_eq!(list(&stack, &this.access).await.len(), 1);

    let all = end(&stack, &this.access, "/account/sessions").await.assert_ok();
    assert_eq!(all["ended"], 1);
    stack.auth().http().get("/account").bearer(&this.access).send().await.assert_invalid_token();
    stack.client().refresh(&this.refresh).await.assert_oauth_error(400, "invalid_grant");
    assert_eq!(list(&stack, &of_rob.access).await.len(), 1, "nobody else's");
}

#[tokio::test]
async fn sessions_take_the_scope_account() {
    let stack = Stack::builder().prompt().with_ada("editor").await;
    let admin = stack.client().scope("admin:users").log_in("admin", tests::ADMIN_PASSWORD).await;

    for (method, path) in [("GET", "/account/sessions"), ("DELETE", "/account/sessions"), ("DELETE", "/account/sessions/ses_1")] {
        let request = || stack.auth().http().request(method, path);
        request().send().await.assert_no_credentials();
        let challenge = request().bearer(&admin).send().await.assert_challenge(403, Some("insufficient_scope"));
        assert_eq!(challenge.attribute("scope"), Some("account"));
    }
    let this = account_session(&stack, "ada").await;
    end(&stack, &this.access, "/account/sessions?keep_current=perhaps").await.assert_problem(400);
}
