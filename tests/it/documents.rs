//! The documents API: a document is its owner's.

use serde_json::{Value, json};
use tests::{ADMIN_PASSWORD, Answer, PASSWORD, Stack};

fn text(title: &str) -> Value {
    json!({"title": title, "content": format!("What {title} says.")})
}

/// Makes a document and returns where it is.
async fn made(stack: &Stack, token: &str, title: &str) -> String {
    let answer = stack.api().post("/documents").bearer(token).json(&text(title)).send().await;
    answer.assert_status(201).header("location").expect("a location").to_owned()
}

fn titles(page: &Value) -> Vec<&str> {
    page["documents"].as_array().expect("a list").iter().map(|document| document["title"].as_str().expect("a title")).collect()
}

#[tokio::test]
async fn a_document_is_created_read_replaced_and_deleted() {
    let stack = Stack::start().await;
    let owner = stack.user("emil", &["editor"]).await;
    let token = stack.client().log_in("emil", PASSWORD).await;
    let api = stack.api();

    let created = api.post("/documents").bearer(&token).json(&text("Notes")).send().await;
    created.assert_status(201).assert_hardened();
    let (path, tag) = (created.header("location").expect("a location"), created.header("etag").expect("a version"));
    let document = created.json();
    assert_eq!((&document["title"], &document["owner"]), (&json!("Notes"), &json!(owner)));
    assert_eq!(path, format!("/documents/{}", document["id"].as_str().expect("an id")));

    let read = api.get(path).bearer(&token).send().await;
    assert_eq!((read.assert_ok(), read.header("etag")), (document.clone(), Some(tag)));
    let list = api.get("/documents").bearer(&token).send().await.assert_ok();
    assert_eq!(titles(&list), ["Notes"]);
    assert_eq!(list["documents"][0].get("content"), None, "a list shows no contents");
    assert_eq!(list["documents"][0]["etag"], tag);

    let replaced = api.put(path).bearer(&token).header("if-match", tag).json(&text("Better notes")).send().await;
    assert_eq!(replaced.assert_ok()["title"], "Better notes");
    assert_eq!(replaced.json()["created_at"], document["created_at"]);
    assert_ne!(replaced.header("etag"), Some(tag));

    let deleted = api.delete(path).bearer(&token).send().await;
    assert_eq!(deleted.assert_status(204).assert_hardened().text(), "");
    api.get(path).bearer(&token).send().await.assert_problem(404);
    api.delete(path).bearer(&token).send().await.assert_problem(404);
    assert_eq!(titles(&api.get("/documents").bearer(&token).send().await.assert_ok()), [""; 0]);
}

#[tokio::test]
async fn a_reader_reads_and_changes_nothing() {
    let stack = Stack::start().await;
    let token = stack.token_of("ada", &["reader"]).await;
    let api = stack.api();

    api.get("/documents").bearer(&token).send().await.assert_ok();
    for call in
        [api.post("/documents").json(&text("x")), api.put("/documents/doc_x").json(&text("x")), api.delete("/documents/doc_x")]
    {
        let challenge = call.bearer(&token).send().await.assert_challenge(403, Some("insufficient_scope"));
        assert_eq!(challenge.attribute("scope"), Some("documents:write"));
    }
}

#[tokio::test]
async fn a_token_that_was_narrowed_allows_less_than_the_role() {
    let stack = Stack::start().await;
    stack.user("emil", &["editor"]).await;
    let writing = stack.client().scope("documents:write").log_in("emil", PASSWORD).await;

    let path = made(&stack, &writing, "Notes").await;

    for call in [stack.api().get("/documents"), stack.api().get(&path)] {
        let challenge = call.bearer(&writing).send().await.assert_challenge(403, Some("insufficient_scope"));
        assert_eq!(challenge.attribute("scope"), Some("documents:read"));
    }
}

/// A.UM-02
#[tokio::test]
async fn somebody_elses_document_does_not_exist() {
    let stack = Stack::start().await;
    let emil = stack.token_of("emil", &["editor"]).await;
    let rosa = stack.token_of("rosa", &["editor"]).await;
    let path = made(&stack, &emil, "Emil's").await;
    let never = format!("/documents/doc_{}", "0".repeat(32));
    let api = stack.api();

    for (of_emil, of_nobody) in [
        (api.get(&path), api.get(&never)),
        (api.put(&path).json(&text("Rosa's")), api.put(&never).json(&text("Rosa's"))),
        (
            api.put(&path).header("if-match", "\"1\"").json(&text("Rosa's")),
            api.put(&never).header("if-match", "\"1\"").json(&text("Rosa's")),
        ),
        (api.delete(&path), api.delete(&never)),
        (api.delete(&path).header("if-match", "\"9\""), api.delete(&never).header("if-match", "\"9\"")),
    ] {
        assert_same_refusal(&of_emil.bearer(&rosa).send().await, &of_nobody.bearer(&rosa).send().await);
    }
    assert_eq!(titles(&api.get("/documents").bearer(&rosa).send().await.assert_ok()), [""; 0]);
    assert_eq!(api.get(&path).bearer(&emil).send().await.assert_ok()["title"], "Emil's");
}

#[track_caller]
fn assert_same_refusal(one: &Answer, other: &Answer) {
    one.assert_problem(404);
    let without_id = |answer: &Answer| {
        let mut problem = answer.json();
        problem.as_object_mut().expect("an object").remove("request_id");
        problem
    };
    assert_eq!(without_id(one), without_id(other));
}

#[tokio::test]
async fn an_administrator_reaches_everybodys_documents() {
    let stack = Stack::start().await;
    let id = stack.user("emil", &["editor"]).await;
    let emil = stack.client().log_in("emil", PASSWORD).await;
    let admin = stack.client().log_in("admin", ADMIN_PASSWORD).await;
    let path = made(&stack, &emil, "Emil's").await;
    made(&stack, &admin, "Admin's").await;
    let api = stack.api();

    assert_eq!(titles(&api.get("/admin/documents").bearer(&admin).send().await.assert_ok()), ["Admin's", "Emil's"]);
    assert_eq!(titles(&api.get("/documents").bearer(&admin).send().await.assert_ok()), ["Admin's"]);
    assert_eq!(titles(&api.get(&format!("/documents?owner={id}")).bearer(&admin).send().await.assert_ok()), ["Emil's"]);
    api.put(&path).bearer(&admin).json(&text("Corrected")).send().await.assert_ok();
    assert_eq!(api.get(&path).bearer(&emil).send().await.assert_ok()["owner"], id, "it stays its owner's");
    api.delete(&path).bearer(&admin).send().await.assert_status(204);

    for path in ["/admin/documents", "/documents?owner=usr_somebody"] {
        let challenge = api.get(path).bearer(&emil).send().await.assert_challenge(403, Some("insufficient_scope"));
        assert_eq!(challenge.attribute("scope"), Some("documents:admin"));
    }
}

#[tokio::test]
async fn a_list_comes_in_pages_newest_first() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    for number in 1..=5 {
        made(&stack, &token, &number.to_string()).await;
    }

    let mut pages = Vec::new();
    let mut next = Some("/documents?limit=2".to_owned());
    while let Some(path) = next {
        let answer = stack.api().get(&path).bearer(&token).send().await;
        let page = answer.assert_ok();
        pages.push(titles(&page).join(" "));
        next = answer.header("link").map(|link| link.trim_start_matches('<').split('>').next().expect("a URL").to_owned());
        assert_eq!(page.get("next_cursor").is_some(), next.is_some());
    }

    assert_eq!(pages, ["5 4", "3 2", "1"]);
}

#[tokio::test]
async fn a_page_that_cannot_be_is_refused() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;

    for query in [
        "limit=0",
        "limit=101",
        "limit=-1",
        "limit=x",
        "limit=1e3",
        "limit=18446744073709551616",
        "limit=1&limit=2",
        "cursor=x",
        "cursor=",
        "cursor=%00",
        "cursor=ZG9jXw",
        "owner=",
    ] {
        let answer = stack.api().get(&format!("/documents?{query}")).bearer(&token).send().await;
        assert!(answer.status() == 400 || query.starts_with("limit=1&"), "{query}\n{answer}");
    }
}

#[tokio::test]
async fn a_change_in_between_is_not_lost() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    let path = made(&stack, &token, "Notes").await;
    let put = |tag: &str| stack.api().put(&path).bearer(&token).header("if-match", tag).json(&text("Changed")).send();

    put("\"1\"").await.assert_ok();
    for stale in ["\"1\"", "W/\"2\"", "\"3\"", "\"x\""] {
        put(stale).await.assert_problem(412);
    }
    for malformed in ["2", "\"2", "x\"2\""] {
        put(malformed).await.assert_problem(400);
    }
    put("\"1\", \"2\"").await.assert_ok();
    put("*").await.assert_ok();
    stack.api().delete(&path).bearer(&token).header("if-match", "\"1\"").send().await.assert_problem(412);
    stack.api().delete(&path).bearer(&token).header("if-match", "\"4\"").send().await.assert_status(204);
}

/// A.UM-15
#[tokio::test]
async fn of_many_who_change_one_version_one_succeeds() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    let path = made(&stack, &token, "Notes").await;

    let mut crowd = tokio::task::JoinSet::new();
    for _ in 0..20 {
        crowd.spawn(stack.api().put(&path).bearer(&token).header("if-match", "\"1\"").json(&text("Changed")).send());
    }
    let answers = crowd.join_all().await;

    assert_eq!(answers.iter().filter(|answer| answer.status() == 200).count(), 1);
    for lost in answers.iter().filter(|answer| answer.status() != 200) {
        lost.assert_problem(412);
    }
    let now = stack.api().get(&path).bearer(&token).send().await;
    assert_eq!(now.header("etag"), Some("\"2\""));
}

#[tokio::test]
async fn a_version_that_is_known_already_is_not_sent_again() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    let path = made(&stack, &token, "Notes").await;
    let get = |tag: &str| stack.api().get(&path).bearer(&token).header("if-none-match", tag).send();

    for known in ["\"1\"", "W/\"1\"", "\"7\", \"1\"", "*"] {
        let answer = get(known).await;
        assert_eq!((answer.status(), answer.text(), answer.header("etag")), (304, "", Some("\"1\"")), "{known}");
    }
    get("\"2\"").await.assert_ok();
}

#[tokio::test]
async fn a_text_is_kept_exactly_as_it_was_given() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    let title = " <script>alert('ü')</script>; DROP TABLE document; -- ";
    let content = "line\r\n\ttab \u{1b}[2J \u{2028} \u{feff} \u{202e} e\u{301} \u{e9} \u{1f511} ' \" \\ %s {}";

    let created = stack.api().post("/documents").bearer(&token).json(&json!({"title": title, "content": content})).send().await;

    let path = created.assert_status(201).header("location").expect("a location");
    let document = stack.api().get(path).bearer(&token).send().await.assert_ok();
    assert_eq!((document["title"].as_str(), document["content"].as_str()), (Some(title), Some(content)));
}

#[tokio::test]
async fn a_text_that_cannot_be_kept_is_refused_with_all_that_is_wrong() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    let post = |body: &Value| stack.api().post("/documents").bearer(&token).json(body).send();
    let longest = json!({"title": "ü".repeat(200), "content": "ü".repeat(16_384)});

    post(&longest).await.assert_status(201);
    for body in [
        json!({"title": "", "content": ""}),
        json!({"title": "ü".repeat(201), "content": ""}),
        json!({"title": "x", "content": "ü".repeat(16_385)}),
        json!({"title": "x"}),
        json!({"content": "x"}),
        json!({"title": null, "content": ""}),
        json!({"title": 1, "content": ""}),
        json!({"title": true, "content": ""}),
        json!({"title": ["x"], "content": ""}),
        json!({"title": "x", "content": {}}),
        json!({"title": "x", "content": "", "owner": "usr_somebody"}),
        json!({"title": "x", "content": "", "id": "doc_x", "created_at": "2020-01-01T00:00:00Z"}),
        json!([]),
        json!("x"),
        json!(null),
        json!(1),
    ] {
        let answer = post(&body).await;
        assert!(matches!(answer.status(), 400 | 422), "{body}\n{answer}");
        answer.assert_problem(answer.status());
    }
    for (title, content, fields) in [(" ", "", &["title"][..]), ("a\nb", "", &["title"])] {
        let problem = post(&json!({"title": title, "content": content})).await.assert_problem(422).json();
        let named: Vec<_> = problem["errors"].as_array().expect("the fields").iter().map(|error| &error["field"]).collect();
        assert_eq!(named, fields);
    }
}

#[tokio::test]
async fn an_owner_has_as_many_documents_as_the_settings_allow() {
    let stack = Stack::builder().resource(|config| config.documents_per_owner = 2).start().await;
    let emil = stack.token_of("emil", &["editor"]).await;
    let rosa = stack.token_of("rosa", &["editor"]).await;
    let first = made(&stack, &emil, "1").await;
    made(&stack, &emil, "2").await;

    let beyond = stack.api().post("/documents").bearer(&emil).json(&text("3")).send().await;

    beyond.assert_problem(409);
    made(&stack, &rosa, "Rosa's").await;
    stack.api().delete(&first).bearer(&emil).send().await.assert_status(204);
    made(&stack, &emil, "3").await;
}

#[tokio::test]
async fn documents_outlive_a_restart() {
    let stack = Stack::start().await;
    let token = stack.token_of("emil", &["editor"]).await;
    let path = made(&stack, &token, "Notes").await;
    let (id, issuer) = (stack.resource().id().to_owned(), stack.auth().issuer().to_owned());
    let (_auth_home, home) = stack.stop().await;

    let resource = home.start(&issuer, |config| config.id = Some(id)).await.expect("it starts again");

    // The issuer is away, too; its keys are not.
    assert_eq!(resource.http().get(&path).bearer(&token).send().await.assert_ok()["title"], "Notes");
}
