//! The names of arguments and options, as each language spells them.
#![cfg_attr(not(feature = "bindings"), allow(dead_code, unreachable_pub, reason = "some are used by bindings only"))]

/// How a language spells the names of arguments.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameStyle {
    /// `job_position_id`: Rust and Python.
    #[default]
    Snake,
    /// `jobPositionId`: Node and Kotlin.
    Camel,
    /// [`Camel`](NameStyle::Camel), except that abbreviations are in capitals: `baseURL`.
    Swift,
}

macro_rules! arguments {
    ($($argument:ident $snake:literal $camel:literal;)*) => {
        /// An argument of a call, or an option of a client.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Argument {
            $(#[doc = concat!("`", $snake, "`.")] $argument,)*
        }

        impl Argument {
            /// The name by which a caller knows the argument.
            pub const fn name(self, style: NameStyle) -> &'static str {
                if matches!((self, style), (Argument::BaseUrl, NameStyle::Swift)) {
                    return "baseURL";
                }
                match (self, style) {
                    $((Argument::$argument, NameStyle::Snake) => $snake,
                    (Argument::$argument, NameStyle::Camel | NameStyle::Swift) => $camel,)*
                }
            }
        }
    };
}

arguments! {
    AllowHttpHosts "allow_http_hosts" "allowHttpHosts";
    ApiKey "api_key" "apiKey";
    AppInfo "app_info" "appInfo";
    AttemptTimeout "attempt_timeout" "attemptTimeout";
    BaseUrl "base_url" "baseUrl";
    BatchId "batch_id" "batchId";
    CaCertificates "ca_certificates" "caCertificates";
    CandidateId "candidate_id" "candidateId";
    CandidateIds "candidate_ids" "candidateIds";
    EmailBody "email_body" "emailBody";
    EmailSubject "email_subject" "emailSubject";
    IdempotencyKey "idempotency_key" "idempotencyKey";
    JobPositionId "job_position_id" "jobPositionId";
    Journal "journal" "journal";
    MaxRetries "max_retries" "maxRetries";
    Now "now" "now";
    Proxy "proxy" "proxy";
    RateLimitName "rate_limit_name" "rateLimitName";
    RateLimitStore "rate_limit_store" "rateLimitStore";
    RateLimitStoreDown "rate_limit_store_down" "rateLimitStoreDown";
    RateLimits "rate_limits" "rateLimits";
    RateLimitsActions "rate_limits.actions" "rateLimits.actions";
    RateLimitsReads "rate_limits.reads" "rateLimits.reads";
    RateLimitsTotal "rate_limits.total" "rateLimits.total";
    RateLimitsWindow "rate_limits.window" "rateLimits.window";
    Timeout "timeout" "timeout";
    Timestamp "timestamp" "timestamp";
    Traceparent "traceparent" "traceparent";
    Tolerance "tolerance" "tolerance";
    Until "until" "until";
}
