//! How a language binding knows for which batch its code is polled.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

/// Calls the given function, once: a poll of one of the batch's tasks. What the function logs and the keys for which it asks
/// belong to this batch.
pub(crate) type Scope = Arc<dyn Fn(&mut dyn FnMut()) + Send + Sync>;

/// A task that is polled within a scope.
pub(super) struct Scoped<F> {
    scope: Option<Scope>,
    task: Pin<Box<F>>,
}

impl<F> Scoped<F> {
    pub(super) fn new(scope: Option<Scope>, task: F) -> Self {
        Scoped { scope, task: Box::pin(task) }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(scope) = self.scope.clone() else { return self.task.as_mut().poll(cx) };
        let mut polled = Poll::Pending;
        scope(&mut || polled = self.task.as_mut().poll(cx));
        polled
    }
}
