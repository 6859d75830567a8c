//! The e-mails that the service would have sent.

use std::collections::VecDeque;

use serde::Serialize;

/// The oldest e-mails are dropped beyond this.
const KEPT: usize = 10_000;

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

#[derive(Debug, Default)]
pub(crate) struct Outbox(VecDeque<Mail>);

impl Outbox {
    pub(crate) fn push(&mut self, mail: Mail) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(mail);
    }

    pub(crate) fn mails(&self) -> &VecDeque<Mail> {
        &self.0
    }

    pub(crate) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }
}
