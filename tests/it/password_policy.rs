//! Which passwords may be set (NIST SP 800-63B-4 §3.1.1), how they are kept, and the password of the first administrator.

use auth_service::{HashCost, Peppers};
use base64::{Engine, prelude::BASE64_STANDARD};
use tests::{ADMIN_PASSWORD, AuthHome, AuthServer, PASSWORD, Stack, TestDatabase};

async fn stored_hash(database: &TestDatabase, username: &str) -> String {
    let rows = database.rows(r#"SELECT canonical, password_hash FROM "user""#).await;
    let of = |row: &&sea_orm::QueryResult| row.try_get::<String>("", "canonical").is_ok_and(|name| name == username);
    rows.iter().find(of).expect("there is such a user").try_get("", "password_hash").expect("a hash")
}

fn pepper(bytes: &[u8]) -> Peppers {
    let texts: Vec<String> = bytes.iter().map(|byte| BASE64_STANDARD.encode([*byte; 32])).collect();
    Peppers::parse(&texts.join(",")).expect("they are well formed")
}

/// Starts again with other settings, and the issuer of before.
async fn start_again(
    home: &AuthHome,
    issuer: &str,
    change: impl FnOnce(&mut auth_service::Config),
) -> anyhow::Result<AuthServer> {
    let issuer = issuer.to_owned();
    home.start(|config| {
        config.issuer = Some(issuer);
        change(config);
    })
    .await
}

#[tokio::test]
async fn a_um_07_length_counts_and_kinds_of_characters_do_not() {
    let stack = Stack::builder().auth(|config| config.password_min_length = 8).start().await;
    let emoji = "\u{1f980}".repeat(64);

    let good = ["fizzlepop", "        spaces", "onlylowercaseletters", "84715926350", "ÄÖÜäöüßß", &"longer ".repeat(18), &emoji];
    for (number, password) in good.iter().enumerate() {
        add_user(&stack, number, password).await.unwrap_or_else(|error| panic!("{password}: {error}"));
        stack.client().log_in(&format!("person{number}"), password).await;
    }
    for (number, password) in ["seven c", "\u{1f980}\u{1f980}\u{1f980}\u{1f980}\u{1f980}\u{1f980}\u{1f980}"].iter().enumerate() {
        add_user(&stack, 100 + number, password).await.expect_err("seven characters");
    }
}

async fn add_user(stack: &Stack, number: usize, password: &str) -> anyhow::Result<()> {
    stack.operator().add_user(&format!("person{number}"), password, &["reader"]).await.map(drop)
}

#[tokio::test]
async fn a_um_07_fifteen_characters_are_asked_for_unless_told_otherwise() {
    let stack = Stack::start().await;

    add_user(&stack, 1, "fourteen chars").await.expect_err("too short");
    add_user(&stack, 2, "fifteen charact").await.expect("long enough");
    add_user(&stack, 3, &"sixty-four and twice that".repeat(5)).await.expect("a passphrase may be long");
    add_user(&stack, 4, &"x".repeat(257)).await.expect_err("too long");
}

#[tokio::test]
async fn a_um_07_common_passwords_and_the_own_name_are_refused() {
    let stack = Stack::builder().auth(|config| config.password_min_length = 8).start().await;

    for password in [
        "password",
        "PASSWORD",
        "12345678",
        "iloveyou1",
        "football",
        "trustno1",
        "qwertyuiop",
        "aaaaaaaa",
        "abcdefghij",
        "passwordpassword",
    ] {
        let error = add_user(&stack, 1, password).await.expect_err(password);
        assert!(error.to_string().contains("common"), "{error}");
    }
    for password in ["person1-person1", "Person1!", "auth-service", "localhost1"] {
        let error = add_user(&stack, 1, password).await.expect_err(password);
        assert!(error.to_string().contains("name of this service"), "{error}");
    }
    add_user(&stack, 1, "fizzlepop").await.expect("neither");
}

#[tokio::test]
async fn another_cost_is_taken_up_at_the_next_login() {
    let home = AuthHome::new().await;
    let auth = home.start(|_| {}).await.expect("it starts");
    auth.user("ada", &["reader"]).await;
    let issuer = auth.issuer().to_owned();
    auth.stop().await;
    assert!(stored_hash(home.database(), "ada").await.contains("m=64,t=1,p=1"));

    let dearer = |config: &mut auth_service::Config| config.hash_cost = HashCost { memory_kib: 128, passes: 2, lanes: 2 };
    let auth = start_again(&home, &issuer, dearer).await.expect("it starts");
    auth.client().password("ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
    assert!(stored_hash(home.database(), "ada").await.contains("m=64,t=1,p=1"));
    auth.client().log_in("ada", PASSWORD).await;

    assert!(stored_hash(home.database(), "ada").await.contains("m=128,t=2,p=2"));
    auth.client().log_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn a_pepper_is_taken_up_at_the_next_login_and_can_be_replaced() {
    let home = AuthHome::new().await;
    let auth = home.start(|_| {}).await.expect("it starts");
    auth.user("ada", &["reader"]).await;
    let issuer = auth.issuer().to_owned();
    auth.stop().await;
    let mut hashes = vec![stored_hash(home.database(), "ada").await];

    for bytes in [&[1][..], &[2, 1], &[2]] {
        let auth = start_again(&home, &issuer, |config| config.password_peppers = pepper(bytes)).await.expect("it starts");
        auth.client().log_in("ada", PASSWORD).await;
        auth.client().password("ada", "wrong").await.assert_oauth_error(400, "invalid_grant");
        auth.client().log_in("admin", ADMIN_PASSWORD).await;
        auth.stop().await;
        hashes.push(stored_hash(home.database(), "ada").await);
    }

    assert!(!hashes[0].contains("keyid") && hashes[1..].iter().all(|hash| hash.contains("keyid")), "{hashes:?}");
    assert_ne!(hashes[1], hashes[2]);
    assert_eq!(hashes[2], hashes[3]);
}

#[tokio::test]
async fn a_lost_pepper_stops_the_start_while_anybody_needs_it() {
    let home = AuthHome::new().await;
    let auth = home.start(|config| config.password_peppers = pepper(&[1])).await.expect("it starts");
    auth.user("ada", &["reader"]).await;
    let issuer = auth.issuer().to_owned();
    auth.stop().await;
    let before = home.database().dump().await;

    for bytes in [None, Some(&[2][..])] {
        let lost = |config: &mut auth_service::Config| config.password_peppers = bytes.map(pepper).unwrap_or_default();
        let Err(error) = start_again(&home, &issuer, lost).await else { panic!("it starts, but must not") };
        let message = format!("{error:#}");
        assert!(message.contains("AUTH_PASSWORD_PEPPER") && message.contains("2 users"), "{message}");
        assert_eq!(home.database().dump().await, before, "nothing is touched");
    }
    let auth = start_again(&home, &issuer, |config| config.password_peppers = pepper(&[1])).await.expect("it starts");
    auth.client().log_in("ada", PASSWORD).await;
}

#[tokio::test]
async fn a_fa_18_a_weak_password_for_the_first_administrator_stops_the_start() {
    for weak in ["admin", "short", "passwordpassword", "adminadminadmin", "123456789012345"] {
        let home = AuthHome::new().await;
        let Err(error) = home.start(|config| config.bootstrap_admin_password = Some(weak.into())).await else {
            panic!("it starts, but must not: {weak}")
        };
        let message = format!("{error:#}");
        assert!(message.contains("`admin` cannot be created") && !message.contains("123456789012345"), "{message}");
        assert!(home.database().rows(r#"SELECT id FROM "user""#).await.is_empty(), "no account is left behind");
    }
}

#[tokio::test]
async fn a_um_14_there_is_no_account_with_a_password_that_anybody_could_know() {
    let home = AuthHome::new().await;
    let auth = home.start(|config| config.bootstrap_admin_password = None).await.expect("it starts");

    for (username, password) in
        [("admin", "admin"), ("admin", ""), ("admin", "password"), ("admin", ADMIN_PASSWORD), ("root", "root")]
    {
        let answer = auth.client().password(username, password).await;
        assert_eq!(answer.status(), 400, "{answer}");
    }
    assert_eq!(home.database().rows(r#"SELECT id FROM "user""#).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_um_14_of_two_first_starts_at_once_one_makes_the_administrator() {
    let home = AuthHome::new().await;
    let named = |config: &mut auth_service::Config| config.issuer = Some("http://localhost:8080".to_owned());

    let (one, other) = tokio::join!(home.start(named), home.start(named));

    let (one, other) = (one.expect("it starts"), other.expect("it starts beside it"));
    let admins = home.database().rows(r"SELECT user_id FROM user_role WHERE role = 'admin'").await;
    assert_eq!(admins.len(), 1);
    assert_eq!(home.database().rows(r#"SELECT id FROM "user""#).await.len(), 1);
    for auth in [one, other] {
        auth.client().log_in("admin", ADMIN_PASSWORD).await;
    }
}

#[tokio::test]
async fn a_um_14_once_there_is_an_administrator_no_setting_makes_another_or_changes_their_password() {
    let home = AuthHome::new().await;
    let auth = home.start(|_| {}).await.expect("it starts");
    let issuer = auth.issuer().to_owned();
    auth.stop().await;
    let before = home.database().dump().await["user"].clone();

    for late in ["another one that comes too late", "weak"] {
        let changed = |config: &mut auth_service::Config| config.bootstrap_admin_password = Some(late.into());
        let auth = start_again(&home, &issuer, changed).await.expect("it is ignored");
        auth.client().password("admin", late).await.assert_oauth_error(400, "invalid_grant");
        auth.stop().await;
    }

    assert_eq!(home.database().dump().await["user"], before);
}
