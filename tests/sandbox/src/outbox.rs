//! The e-mails that the service would have sent.

use serde::Serialize;

use crate::bounded::BoundedQueue;

const MAX_MAILS: usize = 10_000;
const MAX_BYTES: usize = 16 * 1024 * 1024;

const DEFAULT_SUBJECT: &str = "Your interview invitation";
const DEFAULT_BODY: &str = "Hello,\n\nyou have been invited to an interview. It takes place online, whenever it suits \
                            you in the next seven days:\n\n{interviewLink}\n";

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mail {
    pub(crate) candidate_id: String,
    pub(crate) job_position_id: String,
    pub(crate) session_id: String,
    pub(crate) interview_link: String,
    pub(crate) subject: String,
    pub(crate) body: String,
    /// Whether the request had no subject or text of its own.
    pub(crate) default_subject: bool,
    pub(crate) default_body: bool,
    pub(crate) queued_at: String,
}

/// The subject and text of an invitation: the caller's or the default ones, with the link filled in.
pub(crate) fn render_email(subject: Option<&str>, body: Option<&str>, interview_link: &str) -> (String, String) {
    let body = body.unwrap_or(DEFAULT_BODY).replace("{interviewLink}", interview_link);
    (subject.unwrap_or(DEFAULT_SUBJECT).to_owned(), body)
}

impl Mail {
    /// An estimate of its memory.
    fn size(&self) -> usize {
        let Self { candidate_id, job_position_id, session_id, interview_link, subject, body, queued_at, .. } = self;
        let texts = [candidate_id, job_position_id, session_id, interview_link, subject, body, queued_at];
        size_of::<Self>() + texts.iter().map(|text| text.capacity()).sum::<usize>()
    }
}

/// The e-mails so far; the oldest are dropped beyond either bound.
#[derive(Debug)]
pub(crate) struct Outbox(BoundedQueue<Mail>);

impl Default for Outbox {
    fn default() -> Self {
        Self(BoundedQueue::new(MAX_MAILS, MAX_BYTES))
    }
}

impl Outbox {
    pub(crate) fn push(&mut self, mail: Mail) {
        self.0.push(mail.size(), mail);
    }

    pub(crate) fn mails(&self) -> Vec<&Mail> {
        self.0.iter().collect()
    }

    pub(crate) fn clear(&mut self) -> usize {
        self.0.clear()
    }
}
