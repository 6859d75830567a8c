//! The TCP stream under a connection, with the handles that let an answer end it.
//!
//! hyper decides when bytes are written; only down here is it known that everything written so far has gone to the
//! socket. Faults that close a connection after an exact number of bytes wait for that moment, and so does the ledger,
//! before it believes that an answer was sent.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;

use crate::ledger::Delivery;

/// What is to happen once everything written so far has left.
#[derive(Debug, Default)]
pub(crate) struct OnceFlushed {
    pub(crate) settle: Option<Delivery>,
    pub(crate) hang_up: bool,
}

#[derive(Debug, Default)]
pub(crate) struct WireControl {
    once_flushed: Mutex<Vec<OnceFlushed>>,
    hang_up: Notify,
    reset: AtomicBool,
}

impl WireControl {
    pub(crate) fn once_flushed(&self, then: OnceFlushed) {
        self.once_flushed.lock().unwrap_or_else(PoisonError::into_inner).push(then);
    }

    /// Resolves when an answer has asked for the connection to be dropped.
    pub(crate) async fn hung_up(&self) {
        self.hang_up.notified().await;
    }

    /// The end of the connection, whenever it comes, is to be a reset instead of an orderly close.
    pub(crate) fn end_with_reset(&self) {
        self.reset.store(true, Ordering::SeqCst);
    }

    fn flushed(&self) {
        let due = std::mem::take(&mut *self.once_flushed.lock().unwrap_or_else(PoisonError::into_inner));
        for then in due {
            if let Some(delivery) = then.settle {
                delivery.settle();
            }
            if then.hang_up {
                self.hang_up.notify_one();
            }
        }
    }
}

pub(crate) struct Wire {
    tcp: TcpStream,
    control: Arc<WireControl>,
}

impl Wire {
    pub(crate) fn new(tcp: TcpStream, control: Arc<WireControl>) -> Self {
        Self { tcp, control }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.control.reset.load(Ordering::SeqCst) {
            // If this fails the client sees an ordinary close, which is the best that is left.
            let _ = self.tcp.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Wire {
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
