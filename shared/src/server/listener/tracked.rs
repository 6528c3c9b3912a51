//! An answer's body, which knows when its request has ended.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper::body::{Body, Frame, SizeHint};

use super::pulse::Pulse;

/// Ends a request in the pulse.
pub(super) struct Ending(pub(super) Arc<Pulse>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// A body whose request ends with it.
pub(super) struct Tracked<B> {
    body: B,
    _ending: Ending,
}

impl<B> Tracked<B> {
    pub(super) fn new(body: B, ending: Ending) -> Self {
        Self { body, _ending: ending }
    }
}

impl<B: Body + Unpin> Body for Tracked<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
