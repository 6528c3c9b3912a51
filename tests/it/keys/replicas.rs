//! Two replicas on one database make one key at a time, and follow it.

use tests::{AuthHome, PASSWORD};
use tokio::task::JoinSet;

use super::{await_listed, await_other_key, key_of, listed, plan, states};

#[tokio::test]
async fn two_replicas_that_start_at_once_make_one_key() {
    let home = AuthHome::new().await;

    let [one, other] = home.start_two().await;

    assert_eq!(plan(&one).await.len(), 1);
    assert_eq!(listed(&one).await, listed(&other).await);
    one.user("ada", &["editor"]).await;
    let tokens = one.client().scope("account").open_session("ada", PASSWORD).await;
    other.http().get("/account").bearer(&tokens.access).send().await.assert_ok();
    let next = other.client().next_tokens(&tokens.refresh).await;
    assert_eq!(one.client().next_tokens(&tokens.refresh).await.refresh, next.refresh, "a lost answer is anybody's to repeat");
    one.client().next_tokens(&next.refresh).await;
}

#[tokio::test]
async fn two_replicas_that_rotate_at_once_make_one_key_and_both_follow_it() {
    let home = AuthHome::new().await;
    let [one, other] = home.start_two().await;
    one.user("ada", &["editor"]).await;
    let first = key_of(&one.client().log_in("ada", PASSWORD).await);

    let mut rotating = JoinSet::new();
    for replica in [&one, &other].repeat(4) {
        let operator = replica.operator().clone();
        rotating.spawn(async move { operator.rotate_key(false).await.is_ok() });
    }
    let made = rotating.join_all().await.into_iter().filter(|made| *made).count();

    assert_eq!(made, 1, "one of them made it");
    assert_eq!(await_listed(&one, 2).await, await_listed(&other, 2).await);
    one.operator().rotate_key(true).await.expect("nobody else does");
    let by_one = await_other_key(&one.client(), &first).await;
    let by_other = await_other_key(&other.client(), &first).await;
    assert_eq!(key_of(&by_one), key_of(&by_other));
    assert_eq!(states(&other).await, ["retiring", "active"]);
}
