//! A service that runs until it is told to stop, or is dropped.

use tokio::{sync::oneshot, task::JoinHandle};

use crate::watch;

/// A service in a task of its own.
pub(crate) struct Running {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Running {
    /// Runs what `run` makes of the signal to stop.
    pub(crate) fn spawn<F>(run: impl FnOnce(Stop) -> F) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        watch::begin();
        let (stop, stopped) = oneshot::channel();
        Self { stop: Some(stop), task: tokio::spawn(run(Stop(stopped))) }
    }

    /// Tells the service to stop, as a signal from its operator would, and waits for it.
    pub(crate) async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let ended = (&mut self.task).await.expect("the service does not panic");
        ended.expect("the service stops without an error");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
        watch::end();
    }
}

/// The signal to stop.
pub(crate) struct Stop(oneshot::Receiver<()>);

impl Stop {
    /// Waits for the signal.
    pub(crate) async fn requested(self) {
        // Nobody left to send it means that the service is being dropped, which is no orderly end.
        if self.0.await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
