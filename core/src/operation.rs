//! The four HTTP operations as data: name, path, scope and rate window.

/// One of the four Candidate Actions: one HTTP request.
///
/// ```
/// use celper::Operation;
/// assert_eq!(Operation::Invite.name(), "invite");
/// assert!(Operation::Invite.is_action() && !Operation::Status.is_action());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Operation {
    /// Read a candidate's status.
    Status,
    /// Invite a candidate to an interview.
    Invite,
    /// Select an interviewed candidate.
    Select,
    /// Reject an interviewed candidate.
    Reject,
}

/// The rate windows of the service that a request counts in, besides the one for all requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Category {
    Reads,
    Actions,
}

impl Operation {
    /// Every operation, in the order of the API's own page.
    pub const ALL: [Operation; 4] = [Operation::Status, Operation::Invite, Operation::Select, Operation::Reject];

    /// The operation with this [`name`](Operation::name).
    pub fn from_name(name: &str) -> Option<Self> {
        Operation::ALL.into_iter().find(|operation| operation.name() == name)
    }

    /// The API's name of the operation, the same in every language: `status`, `invite`, `select` or `reject`. It is
    /// also the last segment of the request's path.
    pub fn name(self) -> &'static str {
        match self {
            Operation::Status => "status",
            Operation::Invite => "invite",
            Operation::Select => "select",
            Operation::Reject => "reject",
        }
    }

    /// The method of [`Client`](crate::Client) that performs the operation.
    pub fn method_name(self) -> &'static str {
        match self {
            Operation::Status => "get_candidate_status",
            Operation::Invite => "invite_candidate",
            Operation::Select => "select_candidate",
            Operation::Reject => "reject_candidate",
        }
    }

    /// The HTTP method of its request.
    pub(crate) fn http_method(self) -> &'static str {
        if self.is_action() { "POST" } else { "GET" }
    }

    /// The scope that an API key needs for the operation.
    pub fn scope(self) -> &'static str {
        match self {
            Operation::Status => "read:candidates",
            Operation::Invite => "action:invite",
            Operation::Select | Operation::Reject => "action:decide",
        }
    }

    /// Whether the operation changes something: it is a POST, carries an idempotency key, and its failure can leave the
    /// outcome unknown.
    pub fn is_action(self) -> bool {
        self.category() == Category::Actions
    }

    pub(crate) fn category(self) -> Category {
        match self {
            Operation::Status => Category::Reads,
            Operation::Invite | Operation::Select | Operation::Reject => Category::Actions,
        }
    }
}
