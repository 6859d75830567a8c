//! Response bodies: complete ones, and those that faults make.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::stream::{AfterFlush, StreamControl};

const FILLER: usize = 16 * 1024;
static SPACES: [u8; FILLER] = [b' '; FILLER];
static LETTERS: [u8; FILLER] = [b'a'; FILLER];

/// The bytes of a body, and how they are sent.
#[derive(Debug)]
pub(crate) enum Content {
    Whole(Bytes),
    /// Announces `announced` bytes, sends only `sent`, and closes the connection.
    Cut {
        sent: Bytes,
        announced: u64,
    },
    /// Sent byte by byte at this rate.
    Drip {
        bytes: Bytes,
        per_second: f64,
    },
    /// The opening, then letters without end.
    Endless {
        opening: Bytes,
    },
    /// The opening, then spaces up to `total` bytes.
    Padded {
        opening: Bytes,
        total: u64,
    },
}

impl Content {
    /// The `Content-Length`, or `None` for an endless body, which is sent in chunks.
    fn announced(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) | Self::Drip { bytes, .. } => Some(bytes.len() as u64),
            Self::Cut { announced, .. } => Some(*announced),
            Self::Endless { .. } => None,
            Self::Padded { opening, total } => Some((*total).max(opening.len() as u64)),
        }
    }
}

/// The next step of a body.
enum Next {
    Bytes(Bytes),
    Wait,
    /// Send no more, and close the connection.
    Close,
}

pub(crate) struct ResponseBody {
    content: Content,
    sent: u64,
    /// Passed to the stream with the last byte.
    then: Option<AfterFlush>,
    stream: Arc<StreamControl>,
    drip_started: Option<Instant>,
    timer: Pin<Box<Option<Sleep>>>,
}

impl ResponseBody {
    pub(crate) fn new(content: Content, then: AfterFlush, stream: Arc<StreamControl>) -> Self {
        let mut body = Self { content, sent: 0, then: Some(then), stream, drip_started: None, timer: Box::pin(None) };
        // hyper never polls an empty body.
        if body.content.announced() == Some(0) {
            body.finish();
        }
        body
    }

    fn finish(&mut self) {
        if let Some(then) = self.then.take() {
            self.stream.after_flush(then);
        }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Next {
        let filler = |pattern: &'static [u8; FILLER], wanted: u64| {
            let length = usize::try_from(wanted).unwrap_or(FILLER).min(FILLER);
            Next::Bytes(Bytes::from_static(pattern.get(..length).unwrap_or(pattern)))
        };
        match &self.content {
            Content::Whole(bytes) => Next::Bytes(bytes.clone()),
            Content::Cut { sent, .. } if self.sent == 0 && !sent.is_empty() => Next::Bytes(sent.clone()),
            Content::Cut { .. } => Next::Close,
            Content::Endless { opening } | Content::Padded { opening, .. } if self.sent == 0 => {
                Next::Bytes(opening.clone())
            }
            Content::Endless { .. } => filler(&LETTERS, u64::MAX),
            Content::Padded { total, .. } => filler(&SPACES, total.saturating_sub(self.sent)),
            Content::Drip { bytes, per_second } => {
                let started = *self.drip_started.get_or_insert_with(Instant::now);
                let position = usize::try_from(self.sent).unwrap_or(usize::MAX).min(bytes.len());
                let due_at = started + Duration::from_secs_f64((self.sent + 1) as f64 / per_second);
                let byte = bytes.slice(position..(position + 1).min(bytes.len()));
                if Instant::now() >= due_at {
                    self.timer.set(None);
                    return Next::Bytes(byte);
                }
                self.timer.set(Some(sleep_until(due_at)));
                match self.timer.as_mut().as_pin_mut().map(|timer| timer.poll(cx)) {
                    Some(Poll::Ready(())) => Next::Bytes(byte),
                    Some(Poll::Pending) | None => Next::Wait,
                }
            }
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.get_mut();
        if body.is_end_stream() {
            return Poll::Ready(None);
        }
        match body.next(cx) {
            Next::Wait => Poll::Pending,
            Next::Close => {
                body.finish();
                Poll::Pending
            }
            Next::Bytes(bytes) => {
                body.sent += bytes.len() as u64;
                if body.is_end_stream() {
                    body.finish();
                }
                Poll::Ready(Some(Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.content.announced().is_some_and(|announced| self.sent >= announced)
    }

    fn size_hint(&self) -> SizeHint {
        match self.content.announced() {
            Some(announced) => SizeHint::with_exact(announced.saturating_sub(self.sent)),
            None => SizeHint::default(),
        }
    }
}
