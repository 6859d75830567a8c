//! Answer bodies: whole ones, and the shapes that faults give them.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::wire::{OnceFlushed, WireControl};

const FILLING: usize = 16 * 1024;
static SPACES: [u8; FILLING] = [b' '; FILLING];
static LETTERS: [u8; FILLING] = [b'a'; FILLING];

/// What is sent as a body, and how.
#[derive(Debug)]
pub(crate) enum Content {
    Whole(Bytes),
    /// Announces `announced` bytes, sends only `sent`, and hangs up.
    Cut {
        sent: Bytes,
        announced: u64,
    },
    /// At so many bytes per second, one frame for each byte that is due.
    Drip {
        bytes: Bytes,
        per_second: f64,
    },
    /// The opening, then letters for ever.
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
    /// How many bytes the answer's head promises; `None`: sent in chunks, without an end in sight.
    fn announced(&self) -> Option<u64> {
        match self {
            Self::Whole(bytes) | Self::Drip { bytes, .. } => Some(bytes.len() as u64),
            Self::Cut { announced, .. } => Some(*announced),
            Self::Endless { .. } => None,
            Self::Padded { opening, total } => Some((*total).max(opening.len() as u64)),
        }
    }
}

/// What the content has to say when it is asked for more.
enum Next {
    Bytes(Bytes),
    NotYet,
    /// The connection is to be dropped instead of anything more being said.
    Nothing,
}

pub(crate) struct AnswerBody {
    content: Content,
    sent: u64,
    /// Handed to the wire together with the last byte.
    then: Option<OnceFlushed>,
    wire: Arc<WireControl>,
    drip_started: Option<Instant>,
    alarm: Pin<Box<Option<Sleep>>>,
}

impl AnswerBody {
    pub(crate) fn new(content: Content, then: OnceFlushed, wire: Arc<WireControl>) -> Self {
        let mut body = Self { content, sent: 0, then: Some(then), wire, drip_started: None, alarm: Box::pin(None) };
        // hyper never asks an empty body for a frame.
        if body.content.announced() == Some(0) {
            body.hand_over();
        }
        body
    }

    fn hand_over(&mut self) {
        if let Some(then) = self.then.take() {
            self.wire.once_flushed(then);
        }
    }

    fn next(&mut self, cx: &mut Context<'_>) -> Next {
        let filling = |pattern: &'static [u8; FILLING], wanted: u64| {
            let length = usize::try_from(wanted).unwrap_or(FILLING).min(FILLING);
            Next::Bytes(Bytes::from_static(pattern.get(..length).unwrap_or(pattern)))
        };
        match &self.content {
            Content::Whole(bytes) => Next::Bytes(bytes.clone()),
            Content::Cut { sent, .. } if self.sent == 0 && !sent.is_empty() => Next::Bytes(sent.clone()),
            Content::Cut { .. } => Next::Nothing,
            Content::Endless { opening } | Content::Padded { opening, .. } if self.sent == 0 => {
                Next::Bytes(opening.clone())
            }
            Content::Endless { .. } => filling(&LETTERS, u64::MAX),
            Content::Padded { total, .. } => filling(&SPACES, total.saturating_sub(self.sent)),
            Content::Drip { bytes, per_second } => {
                let started = *self.drip_started.get_or_insert_with(Instant::now);
                let position = usize::try_from(self.sent).unwrap_or(usize::MAX).min(bytes.len());
                let due_at = started + Duration::from_secs_f64((self.sent + 1) as f64 / per_second);
                let byte = bytes.slice(position..(position + 1).min(bytes.len()));
                if Instant::now() >= due_at {
                    self.alarm.set(None);
                    return Next::Bytes(byte);
                }
                self.alarm.set(Some(sleep_until(due_at)));
                match self.alarm.as_mut().as_pin_mut().map(|alarm| alarm.poll(cx)) {
                    Some(Poll::Ready(())) => Next::Bytes(byte),
                    Some(Poll::Pending) | None => Next::NotYet,
                }
            }
        }
    }
}

impl Body for AnswerBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let body = self.get_mut();
        if body.is_end_stream() {
            return Poll::Ready(None);
        }
        match body.next(cx) {
            Next::NotYet => Poll::Pending,
            Next::Nothing => {
                body.hand_over();
                Poll::Pending
            }
            Next::Bytes(bytes) => {
                body.sent += bytes.len() as u64;
                if body.is_end_stream() {
                    body.hand_over();
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
