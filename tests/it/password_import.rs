//! People move in with the hashes of their passwords, which are replaced at their first login.

use tests::{Stack, TestDatabase};

const PASSWORD: &str = "a phrase from the old system";

/// The password hashed by other programs: argon2-cffi, bcrypt and hashlib of Python.
const HASHES: [&str; 10] = [
    "$argon2i$v=19$m=64,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$E2sWxhWU6fwOqp/YZxLZWKhN9+orYTEtlYSZqcI8sMk",
    "$argon2d$v=19$m=64,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$uR3M6kHowEh8WqbakpdED9/4d6InRwZXrj1uU4cxZVM",
    "$argon2id$v=19$m=64,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$ZR50ouOL/Z3bcvWDOwRmz/3RN/w6JIQ8CWVP3O2cbsc",
    "$argon2id$v=16$m=64,t=2,p=2$AAECAwQFBgcICQoLDA0ODw$zs/YO4fA6AIMipAovRbCAw",
    "$2a$04$BPmyys19lxMXWIGAjgbO8OVd9wtUHp6w/McG/t20KQYOWCKCovguq",
    "$2b$04$5JQI0zmOmt//lkLBEPModeYzp/XHy5K2VZohZkM5qwSu8CTGYrCxu",
    "$2y$04$gOcuyhh5USlKMm68kVmmIul44heBiPfWwY4b.JIArJ6Qx/vAmjOIa",
    "$pbkdf2-sha256$i=1000,l=32$AAECAwQFBgcICQoLDA0ODw$T9dJ2yjKtnwCQ4wQi5YJ+wGD+96kJLZPO+MJZ+SiJa8",
    "$pbkdf2-sha512$1000$AAECAwQFBgcICQoLDA0ODw$TOLe3B6054feIcNqzmFXqY7Ed/lcnRRd5mjZzLhdcTazCzvb8nGpvDv8cq1hCyAGdz.nCOLR5D0tUPbNFdnYQQ",
    "pbkdf2_sha256$1000$seasalt$Q7aAm2dWKhS7MsljXTFhCjiqBq0eo75EAliqLe90bwc=",
];

async fn hashes(database: &TestDatabase) -> Vec<String> {
    let rows = database.rows(r#"SELECT password_hash FROM "user" WHERE canonical <> 'admin' ORDER BY canonical"#).await;
    rows.iter().map(|row| row.try_get("", "password_hash").expect("a hash")).collect()
}

#[tokio::test]
async fn people_with_hashes_from_elsewhere_log_in_and_then_have_one_of_ours() {
    let stack = Stack::start().await;
    for (number, hash) in HASHES.iter().enumerate() {
        stack.operator().import_user(&format!("person{number}"), hash, &["reader"]).await.expect(hash);
    }
    assert_eq!(hashes(stack.auth_home().database()).await, HASHES, "kept as they are until then");

    for (number, hash) in HASHES.iter().enumerate() {
        let name = format!("person{number}");
        for wrong in ["", "wrong", &PASSWORD.to_uppercase(), &format!("{PASSWORD} "), hash] {
            let answer = stack.client().password(&name, wrong).await;
            assert_eq!(answer.status(), 400, "{hash} {wrong}\n{answer}");
        }
        stack.client().log_in(&name, PASSWORD).await;
    }

    let ours = hashes(stack.auth_home().database()).await;
    assert!(ours.iter().all(|hash| hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$")), "{ours:?}");
    for number in 0..HASHES.len() {
        stack.client().log_in(&format!("person{number}"), PASSWORD).await;
        stack.client().password(&format!("person{number}"), "wrong").await.assert_oauth_error(400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_te_18_what_bcrypt_does_not_compare_is_not_let_through() {
    let stack = Stack::start().await;
    // The hash of these 72 bytes, and of whatever follows them.
    let compared = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    let hash = "$2a$05$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui";
    stack.operator().import_user("ada", hash, &["reader"]).await.expect("it can be imported");

    for longer in [format!("{compared}x"), format!("{compared}chars after 72 are ignored")] {
        stack.client().password("ada", &longer).await.assert_oauth_error(400, "invalid_grant");
    }
    stack.client().log_in("ada", compared).await;
}

#[tokio::test]
async fn a_hash_that_cannot_be_verified_or_costs_too_much_is_refused_with_the_reason() {
    let stack = Stack::start().await;
    let dear = [
        "$argon2id$v=19$m=4194304,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$ZR50ouOL/Z3bcvWDOwRmz/3RN/w6JIQ8CWVP3O2cbsc",
        "$argon2id$v=19$m=64,t=17,p=1$AAECAwQFBgcICQoLDA0ODw$ZR50ouOL/Z3bcvWDOwRmz/3RN/w6JIQ8CWVP3O2cbsc",
        "$2b$31$5JQI0zmOmt//lkLBEPModeYzp/XHy5K2VZohZkM5qwSu8CTGYrCxu",
        "pbkdf2_sha256$4000000000$seasalt$Q7aAm2dWKhS7MsljXTFhCjiqBq0eo75EAliqLe90bwc=",
    ];
    let unknown =
        ["", "a password", "5f4dcc3b5aa765d61d8327deb882cf99", "$1$salt$hash", "$2b$04$short", "$scrypt$ln=16$x$y", "{SSHA}x"];

    for (hashes, said) in [(&dear[..], "costs more"), (&unknown[..], "can be imported")] {
        for hash in hashes {
            let error = stack.operator().import_user("ada", hash, &["reader"]).await.expect_err(hash).to_string();
            assert!(error.contains(said), "{hash}: {error}");
            assert!(hash.is_empty() || !error.contains(hash), "it is not repeated: {error}");
        }
    }
    let peppered =
        "$argon2id$v=19$m=64,t=2,p=1,keyid=AAAAAAAA$AAECAwQFBgcICQoLDA0ODw$ZR50ouOL/Z3bcvWDOwRmz/3RN/w6JIQ8CWVP3O2cbsc";
    let error = stack.operator().import_user("ada", peppered, &["reader"]).await.expect_err("no pepper comes with it");
    assert!(error.to_string().contains("pepper"), "{error}");
    assert!(hashes(stack.auth_home().database()).await.is_empty());
}

#[tokio::test]
async fn a_planted_hash_that_would_cost_too_much_is_never_computed() {
    let stack = Stack::with_ada("reader").await;

    for planted in
        ["$2b$31$5JQI0zmOmt//lkLBEPModeYzp/XHy5K2VZohZkM5qwSu8CTGYrCxu", "pbkdf2_sha256$4000000000$s$Q7aAm2dWKhS7MsljXTFhCg=="]
    {
        stack.auth_home().database().run(r#"UPDATE "user" SET password_hash = $1"#, [planted.into()]).await;
        stack.client().password("ada", PASSWORD).await.assert_oauth_error(400, "invalid_grant");
    }
}
