use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use sea_orm::ConnAcquireErr;
use tokio::{
    sync::{MutexGuard as Alone, Notify},
    task::JoinHandle,
    time::timeout,
};

use super::*;

#[test]
fn portions_are_everything_in_order_and_of_few_sizes() {
    for count in 0..200 {
        let rows: Vec<usize> = (0..count).collect();
        let portions: Vec<&[usize]> = portions(&rows).collect();
        assert_eq!(portions.concat(), rows);
        assert!(portions.iter().all(|portion| SIZES.contains(&portion.len())), "{count}");
    }
}

/// What becomes of the group that a question is the first of.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Answered,
    /// The first has to be answered alone.
    FirstIsLeft,
    Fails,
    LosesItsConnection,
    Panics,
    NeverEnds,
}

/// A question to a database that does nothing.
#[derive(Debug)]
struct Question {
    fate: Fate,
    /// What the group waits for.
    gate: Arc<Notify>,
}

/// How a question was answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    InGroupOf(usize),
    Alone,
}

impl Grouped for Question {
    type Answer = Told;

    const PATIENCE: Duration = Duration::from_secs(2);

    fn queue(_: &Store) -> &Queue<Self> {
        static QUEUE: LazyLock<Queue<Question>> = LazyLock::new(Queue::default);
        &QUEUE
    }

    async fn together(_: &Store, group: &[Self]) -> Result<Vec<Option<Told>>, StoreError> {
        group[0].gate.notified().await;
        let mut told = vec![Some(Told::InGroupOf(group.len())); group.len()];
        match group[0].fate {
            Fate::Answered => {}
            Fate::FirstIsLeft => told[0] = None,
            Fate::Fails => return Err(DbErr::Custom("it is one of them".to_owned()).into()),
            Fate::LosesItsConnection => return Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout).into()),
            Fate::Panics => panic!("as it should"),
            Fate::NeverEnds => std::future::pending().await,
        }
        Ok(told)
    }

    async fn alone(_: &Store, _: Self) -> Result<Told, StoreError> {
        Ok(Told::Alone)
    }
}

type Asking = JoinHandle<Result<Told, StoreError>>;

/// A queue with somebody whose turn it is, and who waits.
struct Busy {
    store: Store,
    gate: Arc<Notify>,
    first: Asking,
    _alone: Alone<'static, ()>,
}

impl Busy {
    async fn with(fate: Fate) -> Self {
        // There is one queue for all tests.
        static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
        let alone = TURN.lock().await;
        let store = Store::connect("sqlite::memory:").await.unwrap();
        let gate = Arc::new(Notify::new());
        let first = asking(&store, fate, &gate);
        let busy = Self { store, gate, first, _alone: alone };
        busy.when(|waiting| waiting.is_served).await;
        busy
    }

    /// So many more ask and wait.
    async fn and(&self, count: usize, fate: Fate) -> Vec<Asking> {
        let open = Arc::new(Notify::new());
        open.notify_one();
        let asking = (0..count).map(|_| asking(&self.store, fate, &open)).collect();
        self.when(|waiting| waiting.entries.len() == count).await;
        asking
    }

    async fn when(&self, is_so: impl Fn(&Waiting<Question>) -> bool) {
        let so = async {
            while !is_so(&Question::queue(&self.store).waiting()) {
                tokio::task::yield_now().await;
            }
        };
        timeout(Duration::from_secs(10), so).await.expect("it comes to that");
    }

    /// Whoever asks now is answered: nothing was left behind.
    async fn is_well(&self) {
        self.when(|waiting| !waiting.is_served).await;
        let open = Arc::new(Notify::new());
        open.notify_one();
        assert_eq!(told(asking(&self.store, Fate::Answered, &open)).await, Told::InGroupOf(1));
    }
}

fn asking(store: &Store, fate: Fate, gate: &Arc<Notify>) -> Asking {
    let (store, gate) = (store.clone(), Arc::clone(gate));
    tokio::spawn(async move { ask(&store, Question { fate, gate }).await })
}

async fn told(asking: Asking) -> Told {
    timeout(Duration::from_secs(10), asking).await.expect("it is answered").unwrap().unwrap()
}

async fn all_told(asking: Vec<Asking>) -> Vec<Told> {
    futures_util::future::join_all(asking.into_iter().map(told)).await
}

#[tokio::test]
async fn who_comes_meanwhile_goes_along_in_the_next_group() {
    let busy = Busy::with(Fate::Answered).await;
    let others = busy.and(4, Fate::Answered).await;

    busy.gate.notify_one();

    assert_eq!(all_told(others).await, [Told::InGroupOf(4); 4]);
    busy.is_well().await;
    assert_eq!(told(busy.first).await, Told::InGroupOf(1));
}

#[tokio::test]
async fn who_has_hung_up_is_not_asked_for() {
    let busy = Busy::with(Fate::Answered).await;
    let mut others = busy.and(3, Fate::Answered).await;
    let gone = others.pop().unwrap();
    gone.abort();
    assert!(gone.await.unwrap_err().is_cancelled());

    busy.gate.notify_one();

    assert_eq!(all_told(others).await, [Told::InGroupOf(2); 2]);
    busy.is_well().await;
}

#[tokio::test]
async fn a_group_that_fails_is_answered_one_by_one() {
    let busy = Busy::with(Fate::Answered).await;
    let others = busy.and(3, Fate::Fails).await;

    busy.gate.notify_one();

    assert_eq!(all_told(others).await, [Told::Alone; 3]);
    busy.is_well().await;
}

#[tokio::test]
async fn what_a_group_could_not_answer_is_answered_alone() {
    let busy = Busy::with(Fate::FirstIsLeft).await;
    let others = busy.and(3, Fate::FirstIsLeft).await;

    busy.gate.notify_one();

    assert_eq!(all_told(others).await, [Told::Alone, Told::InGroupOf(3), Told::InGroupOf(3)]);
    busy.is_well().await;
    assert_eq!(told(busy.first).await, Told::Alone);
}

#[tokio::test]
async fn a_connection_that_is_not_to_be_had_is_waited_for_once() {
    let busy = Busy::with(Fate::LosesItsConnection).await;
    let others = busy.and(3, Fate::LosesItsConnection).await;

    busy.gate.notify_one();

    for asking in others {
        assert!(asking.await.unwrap().unwrap_err().is_of_connection(), "nobody was answered alone");
    }
    busy.is_well().await;
    assert!(busy.first.await.unwrap().unwrap_err().is_of_connection());
}

#[tokio::test]
async fn a_group_that_never_ends_is_given_up_and_those_behind_it_come_next() {
    let busy = Busy::with(Fate::NeverEnds).await;
    let four = busy.and(4, Fate::NeverEnds).await;
    let open = Arc::new(Notify::new());
    open.notify_one();
    let behind = asking(&busy.store, Fate::Answered, &open);
    busy.when(|waiting| waiting.entries.len() == 5).await;

    busy.gate.notify_one();

    for asking in four {
        assert!(asking.await.unwrap().unwrap_err().is_of_connection(), "nobody was answered alone");
    }
    assert_eq!(told(behind).await, Told::InGroupOf(1));
    busy.is_well().await;
    assert!(busy.first.await.unwrap().unwrap_err().is_of_connection());
}

#[tokio::test]
async fn a_client_that_hangs_up_in_its_turn_leaves_it_to_the_others() {
    let busy = Busy::with(Fate::Answered).await;
    let others = busy.and(3, Fate::Answered).await;

    busy.first.abort();

    assert_eq!(all_told(others).await, [Told::InGroupOf(3); 3]);
    busy.is_well().await;
}

#[tokio::test]
async fn a_panic_takes_its_own_group_along_and_no_other() {
    let busy = Busy::with(Fate::Panics).await;
    let four = busy.and(4, Fate::Panics).await;
    let open = Arc::new(Notify::new());
    open.notify_one();
    let behind = asking(&busy.store, Fate::Answered, &open);
    busy.when(|waiting| waiting.entries.len() == 5).await;

    busy.gate.notify_one();

    for asking in four {
        assert!(asking.await.unwrap().is_err(), "it is told that the group was broken off");
    }
    assert_eq!(told(behind).await, Told::InGroupOf(1));
    busy.is_well().await;
    assert!(busy.first.await.unwrap_err().is_panic());
}
