//! What is asked of the database by many at once, and answered for all of them together.
//!
//! A statement costs what it does and, besides, a way to another thread or another machine and back; a commit waits for the
//! disk. Whoever comes while a group is under way waits for the next one, and goes along in it: alone if nobody else is
//! there, and then as quickly as ever.

use std::{
    fmt::Debug,
    future::Future,
    marker::PhantomData,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sea_orm::DbErr;
use tokio::sync::oneshot;

use super::{Store, StoreError};

/// How many go together, from the most that there may be: few sizes, so that the statements, which differ in the number of
/// their rows, stay prepared; and bounded for the sake of those who wait.
const SIZES: [usize; 9] = [48, 32, 24, 16, 8, 4, 3, 2, 1];

/// The most of so many that go together.
fn portion(count: usize) -> usize {
    SIZES.into_iter().find(|size| *size <= count).unwrap_or_default()
}

/// Rows in portions of those sizes, for statements that take several.
pub(super) fn portions<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let (these, rest) = rows.split_at(portion(rows.len()));
        rows = rest;
        (!these.is_empty()).then_some(these)
    })
}

/// What can be answered for several at once.
pub(super) trait Grouped: Debug + Send + Sync + Sized + 'static {
    type Answer: Debug + Send + 'static;

    /// Where those wait who ask the same.
    fn queue(store: &Store) -> &Queue<Self>;

    /// Answers each of the group, in their order, or none of them; `None` is for one that has to be answered alone.
    fn together(store: &Store, group: &[Self]) -> impl Future<Output = Result<Vec<Option<Self::Answer>>, StoreError>> + Send;

    /// Answers one, however long it has to wait.
    fn alone(store: &Store, question: Self) -> impl Future<Output = Result<Self::Answer, StoreError>> + Send;
}

/// Those who wait for the group before them.
#[derive(Debug)]
pub(super) struct Queue<G: Grouped>(Mutex<Waiting<G>>);

#[derive(Debug)]
struct Waiting<G: Grouped> {
    entries: Vec<Entry<G>>,
    is_served: bool,
}

#[derive(Debug)]
struct Entry<G: Grouped> {
    question: G,
    answer: Answering<G>,
}

type Answering<G> = oneshot::Sender<Result<<G as Grouped>::Answer, StoreError>>;

/// Asks, together with whoever asks the same meanwhile.
pub(super) async fn ask<G: Grouped>(store: &Store, question: G) -> Result<G::Answer, StoreError> {
    let (answer, answered) = oneshot::channel();
    if G::queue(store).enter(Entry { question, answer }) {
        // A task of its own: a client that hangs up takes its own question away at the most, not those of others.
        tokio::spawn(Server::<G>::of(store).serve());
    }
    answered.await.unwrap_or_else(|_| Err(DbErr::Custom("the group was broken off".to_owned()).into()))
}

impl<G: Grouped> Default for Queue<G> {
    fn default() -> Self {
        Self(Mutex::new(Waiting { entries: Vec::new(), is_served: false }))
    }
}

impl<G: Grouped> Queue<G> {
    /// Takes somebody in; true if nobody serves the queue yet.
    fn enter(&self, entry: Entry<G>) -> bool {
        let mut waiting = self.waiting();
        waiting.entries.push(entry);
        !mem::replace(&mut waiting.is_served, true)
    }

    /// Those who come next; if there are none, nobody serves the queue from here on.
    ///
    /// Who has hung up is not among them: a question that nobody waits for any more is not asked.
    fn next(&self) -> Vec<Entry<G>> {
        let mut waiting = self.waiting();
        waiting.entries.retain(|entry| !entry.answer.is_closed());
        let count = portion(waiting.entries.len());
        waiting.is_served = count > 0;
        waiting.entries.drain(..count).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<G>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves a queue until it is empty.
struct Server<G: Grouped> {
    store: Store,
    kind: PhantomData<fn() -> G>,
}

impl<G: Grouped> Server<G> {
    fn of(store: &Store) -> Self {
        Self { store: store.clone(), kind: PhantomData }
    }

    async fn serve(self) {
        loop {
            // Whoever can run now asks and comes along: it costs nothing while nobody else is there.
            tokio::task::yield_now().await;
            let entries = G::queue(&self.store).next();
            if entries.is_empty() {
                return;
            }
            self.answer(entries).await;
        }
    }

    async fn answer(&self, entries: Vec<Entry<G>>) {
        let (questions, answers): (Vec<G>, Vec<Answering<G>>) =
            entries.into_iter().map(|Entry { question, answer }| (question, answer)).unzip();
        let told = match G::together(&self.store, &questions).await {
            Ok(told) => told,
            // Whatever it was, it must not be everybody's.
            Err(error) => {
                if questions.len() > 1 {
                    tracing::warn!(error = &error as &dyn std::error::Error, "A group is answered one by one");
                }
                questions.iter().map(|_| None).collect()
            }
        };
        for ((question, answer), told) in questions.into_iter().zip(answers).zip(told) {
            match told {
                Some(told) => drop(answer.send(Ok(told))),
                // It may have to wait for somebody, and those behind it need not.
                None => drop(tokio::spawn(answer_alone(self.store.clone(), question, answer))),
            }
        }
    }
}

async fn answer_alone<G: Grouped>(store: Store, question: G, answer: Answering<G>) {
    if !answer.is_closed() {
        let _ = answer.send(G::alone(&store, question).await);
    }
}

impl<G: Grouped> Drop for Server<G> {
    fn drop(&mut self) {
        // Broken off by a panic: those who wait are told, and the next one begins anew.
        if std::thread::panicking() {
            let mut waiting = G::queue(&self.store).waiting();
            waiting.is_served = false;
            waiting.entries.clear();
        }
    }
}

#[cfg(test)]
mod tests {
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
}
