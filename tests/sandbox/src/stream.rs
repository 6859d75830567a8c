//! The TCP stream of a connection, and the means to close it after a response.
//!
//! hyper decides when it writes. Only the stream knows that everything written so far has reached the socket. Faults that
//! close a connection after an exact number of bytes wait for that, and so does the request log before it records that a
//! response was sent.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::request_log::RequestTracker;

/// What to do when everything written so far has reached the socket.
#[derive(Debug, Default)]
pub(crate) struct AfterFlush {
    pub(crate) finish: Option<RequestTracker>,
    pub(crate) close: bool,
}

#[derive(Debug, Default)]
pub(crate) struct StreamControl {
    after_flush: Mutex<Vec<AfterFlush>>,
    close: Notify,
    reset: AtomicBool,
}

impl StreamControl {
    pub(crate) fn after_flush(&self, then: AfterFlush) {
        self.after_flush.lock().unwrap_or_else(PoisonError::into_inner).push(then);
    }

    /// Resolves when a response wants the connection closed.
    pub(crate) async fn closed(&self) {
        self.close.notified().await;
    }

    /// When the connection ends, reset it instead of closing it.
    pub(crate) fn end_with_reset(&self) {
        self.reset.store(true, Ordering::SeqCst);
    }

    fn flushed(&self) {
        let due = std::mem::take(&mut *self.after_flush.lock().unwrap_or_else(PoisonError::into_inner));
        for then in due {
            if let Some(tracker) = then.finish {
                tracker.finish();
            }
            if then.close {
                self.close.notify_one();
            }
        }
    }
}

pub(crate) struct TrackedStream {
    tcp: TcpStream,
    control: Arc<StreamControl>,
}

impl TrackedStream {
    pub(crate) fn new(tcp: TcpStream, control: Arc<StreamControl>) -> Self {
        Self { tcp, control }
    }
}

impl Drop for TrackedStream {
    fn drop(&mut self) {
        if self.control.reset.load(Ordering::SeqCst) {
            // If this fails, the client sees an ordinary close.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for TrackedStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for TrackedStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tcp).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.tcp).poll_flush(cx))?;
        self.control.flushed();
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
