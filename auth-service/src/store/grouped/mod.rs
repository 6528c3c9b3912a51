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
    time::Duration,
};

use sea_orm::{
    DbErr, RuntimeErr,
    sea_query::{IntoIden, TableRef, ValueTuple},
};
use tokio::{runtime::Handle, sync::oneshot, time::timeout};

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

/// Rows as a table of a statement; both databases call its columns `column1`, `column2` and so on.
pub(super) fn rows_as(name: &'static str, rows: Vec<ValueTuple>) -> TableRef {
    TableRef::ValuesList(rows, name.into_iden())
}

/// What can be answered for several at once.
pub(super) trait Grouped: Debug + Send + Sync + Sized + 'static {
    type Answer: Debug + Send + 'static;

    /// How long a group may take. A request has a deadline of its own; a group has nobody who would drop it, and on a
    /// connection that carries nothing any more it would keep those behind it for as long as TCP has patience. A writer of
    /// SQLite that is held is given up before.
    const PATIENCE: Duration = Duration::from_secs(6);

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
type Answered<G> = oneshot::Receiver<Result<<G as Grouped>::Answer, StoreError>>;

/// Asks, together with whoever asks the same meanwhile.
pub(super) async fn ask<G: Grouped>(store: &Store, question: G) -> Result<G::Answer, StoreError> {
    let (turn, question) = match Turn::take_or_wait(store, question) {
        Ok(taken) => taken,
        Err(answered) => return answered.await.unwrap_or_else(|_| Err(broken_off())),
    };
    let told = turn.together(std::slice::from_ref(&question)).await;
    drop(turn);
    match told?.pop().flatten() {
        Some(told) => Ok(told),
        None => G::alone(store, question).await,
    }
}

fn broken_off() -> StoreError {
    DbErr::Custom("the group was broken off".to_owned()).into()
}

impl<G: Grouped> Default for Queue<G> {
    fn default() -> Self {
        Self(Mutex::new(Waiting { entries: Vec::new(), is_served: false }))
    }
}

impl<G: Grouped> Queue<G> {
    /// Those who come next.
    ///
    /// Who has hung up is not among them: a question that nobody waits for any more is not asked.
    fn next(&self) -> Vec<Entry<G>> {
        let mut waiting = self.waiting();
        waiting.entries.retain(|entry| !entry.answer.is_closed());
        let count = portion(waiting.entries.len());
        waiting.entries.drain(..count).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<G>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The turn at a queue: whoever has it asks, and the others wait. However it ends, by an answer, a client that hangs up or a
/// panic, those who wait come next.
struct Turn<G: Grouped> {
    store: Store,
    is_begun: bool,
    kind: PhantomData<fn() -> G>,
}

impl<G: Grouped> Turn<G> {
    fn new(store: &Store, is_begun: bool) -> Self {
        Self { store: store.clone(), is_begun, kind: PhantomData }
    }

    /// Takes the turn, or waits behind whoever has it.
    fn take_or_wait(store: &Store, question: G) -> Result<(Self, G), Answered<G>> {
        let mut waiting = G::queue(store).waiting();
        if !mem::replace(&mut waiting.is_served, true) {
            return Ok((Self::new(store, true), question));
        }
        let (answer, answered) = oneshot::channel();
        waiting.entries.push(Entry { question, answer });
        Err(answered)
    }

    /// Answers a group, or gives it up.
    async fn together(&self, group: &[G]) -> Result<Vec<Option<G::Answer>>, StoreError> {
        let overdue = || DbErr::Conn(RuntimeErr::Internal("the database did not answer in time".to_owned()));
        timeout(G::PATIENCE, G::together(&self.store, group)).await.unwrap_or_else(|_| Err(overdue().into()))
    }

    /// Answers the next group, and leaves the turn to the one behind it.
    async fn serve(mut self) {
        self.is_begun = true;
        let (questions, answers): (Vec<G>, Vec<Answering<G>>) =
            G::queue(&self.store).next().into_iter().map(|Entry { question, answer }| (question, answer)).unzip();
        if questions.is_empty() {
            return;
        }
        let told = match self.together(&questions).await {
            Ok(told) => told,
            Err(error) if questions.len() == 1 || error.is_of_connection() => {
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
                return;
            }
            // Whatever it was, it must not be everybody's.
            Err(error) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "A group is answered one by one");
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

impl<G: Grouped> Drop for Turn<G> {
    fn drop(&mut self) {
        let mut waiting = G::queue(&self.store).waiting();
        waiting.is_served = false;
        let runtime = Handle::try_current().ok().filter(|_| self.is_begun);
        let Some(runtime) = runtime else {
            // The process ends; those who wait are told that it was broken off.
            waiting.entries.clear();
            return;
        };
        if waiting.entries.is_empty() {
            return;
        }
        waiting.is_served = true;
        drop(waiting);
        let next = Self::new(&self.store, false);
        runtime.spawn(async move {
            // Whoever can run now asks and comes along.
            tokio::task::yield_now().await;
            next.serve().await;
        });
    }
}

/// Answers one for as long as somebody waits for it.
async fn answer_alone<G: Grouped>(store: Store, question: G, mut answer: Answering<G>) {
    tokio::select! {
        biased;
        () = answer.closed() => {}
        told = G::alone(&store, question) => drop(answer.send(told)),
    }
}

#[cfg(test)]
mod tests;
