//! The requests of a batch as data.

use std::fmt;
use std::time::Duration;

use crate::operation::Operation;
use crate::request::{JobPositionId, OperationInput};

macro_rules! requests {
    ($($(#[$doc:meta])* $request:ident $variant:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq)]
            #[non_exhaustive]
            pub struct $request {
                /// The candidate's id.
                pub candidate_id: String,
                /// The id of the candidate's job position.
                pub job_position_id: String,
                $($(#[$field_doc])* pub $field: $type,)*
                /// Overrides the client's `timeout`. Waiting for the rate limit does not count.
                pub timeout: Option<Duration>,
                /// Overrides the client's `max_retries`.
                pub max_retries: Option<u32>,
            }

            impl $request {
                /// A request with the required arguments only.
                pub fn new(
                    candidate_id: impl Into<String>,
                    JobPositionId(job_position_id): JobPositionId<impl Into<String>>,
                ) -> Self {
                    $request {
                        candidate_id: candidate_id.into(),
                        job_position_id: job_position_id.into(),
                        $($field: None,)*
                        timeout: None,
                        max_retries: None,
                    }
                }

                /// The timeout of the call once the rate limit has let it through; overrides the client's.
                #[must_use]
                pub fn timeout(mut self, timeout: Duration) -> Self {
                    self.timeout = Some(timeout);
                    self
                }

                /// How many more attempts may follow a failed one; overrides the client's.
                #[must_use]
                pub fn max_retries(mut self, max_retries: u32) -> Self {
                    self.max_retries = Some(max_retries);
                    self
                }

                $(
                    #[doc = concat!("Sets [`", stringify!($field), "`](", stringify!($request), "::", stringify!($field), ").")]
                    #[must_use]
                    pub fn $field(mut self, value: impl Into<String>) -> Self {
                        self.$field = Some(value.into());
                        self
                    }
                )*
            }

            impl From<$request> for OperationInput {
                fn from(request: $request) -> Self {
                    OperationInput {
                        $($field: request.$field,)*
                        timeout: request.timeout,
                        max_retries: request.max_retries,
                        ..OperationInput::new(Operation::$variant, request.candidate_id, request.job_position_id)
                    }
                }
            }

            impl From<$request> for CandidateRequest {
                fn from(request: $request) -> Self {
                    CandidateRequest::$variant(request)
                }
            }

            impl fmt::Debug for $request {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    f.debug_struct(stringify!($request))
                        .field("candidate_id", &self.candidate_id)
                        .field("job_position_id", &self.job_position_id)
                        .finish_non_exhaustive()
                }
            }
        )*

        /// A request of a [batch](crate::Client::batch): one of the four operations with its arguments.
        ///
        /// ```
        /// use celper::{CandidateRequest, InviteRequest, JobPositionId, RejectRequest};
        ///
        /// let requests: Vec<CandidateRequest> = vec![
        ///     InviteRequest::new("cand_1", JobPositionId("pos_abc123")).email_subject("Your interview").into(),
        ///     RejectRequest::new("cand_2", JobPositionId("pos_abc123")).into(),
        /// ];
        /// assert_eq!(requests[1].candidate_id(), "cand_2");
        /// ```
        ///
        /// `Debug` does not show the e-mail's text.
        #[derive(Clone, PartialEq)]
        #[non_exhaustive]
        pub enum CandidateRequest {
            $(
                #[doc = concat!("Carried out as [`Operation::", stringify!($variant), "`].")]
                $variant($request),
            )*
        }

        impl CandidateRequest {
            /// The operation.
            pub fn operation(&self) -> Operation {
                match self { $(CandidateRequest::$variant(_) => Operation::$variant,)* }
            }

            /// The candidate's id.
            pub fn candidate_id(&self) -> &str {
                match self { $(CandidateRequest::$variant(request) => &request.candidate_id,)* }
            }

            /// The id of the candidate's job position.
            pub fn job_position_id(&self) -> &str {
                match self { $(CandidateRequest::$variant(request) => &request.job_position_id,)* }
            }
        }

        impl From<CandidateRequest> for OperationInput {
            fn from(request: CandidateRequest) -> Self {
                match request { $(CandidateRequest::$variant(request) => request.into(),)* }
            }
        }

        impl From<OperationInput> for CandidateRequest {
            /// Arguments that the operation does not take are dropped.
            fn from(input: OperationInput) -> Self {
                match input.operation {
                    $(Operation::$variant => CandidateRequest::$variant($request {
                        candidate_id: input.candidate_id,
                        job_position_id: input.job_position_id,
                        $($field: input.$field,)*
                        timeout: input.timeout,
                        max_retries: input.max_retries,
                    }),)*
                }
            }
        }

        impl fmt::Debug for CandidateRequest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(CandidateRequest::$variant(request) => request.fmt(f),)* }
            }
        }
    };
}

requests! {
    /// Read a candidate's status: [`get_candidate_status`](crate::Client::get_candidate_status) as data.
    StatusRequest Status {}

    /// Invite a candidate: [`invite_candidate`](crate::Client::invite_candidate) as data.
    InviteRequest Invite {
        /// The e-mail's subject, at most 200 characters; the service's default when `None`.
        email_subject: Option<String>,
        /// The e-mail's body, at most 5,000 characters, with `{interviewLink}` where the link belongs; the service's default when
        /// `None`.
        email_body: Option<String>,
        /// The action's idempotency key; by default derived from the batch id, or a UUID v4.
        idempotency_key: Option<String>,
    }

    /// Select a candidate: [`select_candidate`](crate::Client::select_candidate) as data.
    SelectRequest Select {
        /// The action's idempotency key; by default derived from the batch id, or a UUID v4.
        idempotency_key: Option<String>,
    }

    /// Reject a candidate: [`reject_candidate`](crate::Client::reject_candidate) as data.
    RejectRequest Reject {
        /// The action's idempotency key; by default derived from the batch id, or a UUID v4.
        idempotency_key: Option<String>,
    }
}
