//! A connection's bytes on their way to and from hyper.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use poem::http::StatusCode;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::pulse::{Pulse, State};

/// A stream that tells the [`Pulse`] what passes, and keeps hyper's own bare refusals from being sent.
pub(super) struct Wire<S> {
    stream: S,
    /// What was read to find out which protocol it is.
    already_read: Vec<u8>,
    pulse: Arc<Pulse>,
    refused: Option<StatusCode>,
}

impl<S> Wire<S> {
    pub(super) fn new(stream: S, already_read: Vec<u8>, pulse: Arc<Pulse>) -> Self {
        Self { stream, already_read, pulse, refused: None }
    }

    /// The stream back, and the status hyper wanted to refuse it with.
    pub(super) fn into_parts(self) -> (S, Option<StatusCode>) {
        (self.stream, self.refused)
    }

    /// Recognises what hyper writes when it cannot read a request: it has served none, and answers with a bare status.
    fn is_refusal(&mut self, bytes: &[u8]) -> bool {
        if self.refused.is_some() {
            return true;
        }
        let is_quiet = matches!(self.pulse.state(), State::New(_) | State::Head(_) | State::Idle(_));
        if is_quiet && let Some(status) = bytes.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3)) {
            self.refused = StatusCode::from_bytes(status).ok();
        }
        self.refused.is_some()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.already_read.is_empty() {
            let len = buf.remaining().min(this.already_read.len());
            buf.put_slice(&this.already_read[..len]);
            this.already_read.drain(..len);
            return Poll::Ready(Ok(()));
        }
        let before = buf.filled().len();
        let outcome = Pin::new(&mut this.stream).poll_read(cx, buf);
        let read = &buf.filled()[before..];
        if !read.is_empty() {
            this.pulse.received(read);
        }
        outcome
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_refusal(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let outcome = Pin::new(&mut self.stream).poll_flush(cx);
        if outcome.is_ready() {
            self.pulse.flushed();
        }
        outcome
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.refused.is_some() {
            // The answer is still to be written.
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.is_refusal(pieces.iter().find(|piece| !piece.is_empty()).map_or(&[], |piece| piece)) {
            return Poll::Ready(Ok(pieces.iter().map(|piece| piece.len()).sum()));
        }
        Pin::new(&mut self.stream).poll_write_vectored(cx, pieces)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
