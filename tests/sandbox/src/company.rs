//! Who may call: API keys, their scopes and state, and the state of the company they belong to.

use std::collections::HashMap;
use std::net::IpAddr;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::answer::Refusal;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) enum Scope {
    #[serde(rename = "read:jobs")]
    ReadJobs,
    #[serde(rename = "read:candidates")]
    ReadCandidates,
    #[serde(rename = "write:candidates")]
    WriteCandidates,
    #[serde(rename = "action:invite")]
    ActionInvite,
    #[serde(rename = "action:decide")]
    ActionDecide,
    #[serde(rename = "manage:webhooks")]
    ManageWebhooks,
}

impl Scope {
    const ALL: [Self; 6] = [
        Self::ReadJobs,
        Self::ReadCandidates,
        Self::WriteCandidates,
        Self::ActionInvite,
        Self::ActionDecide,
        Self::ManageWebhooks,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::ReadJobs => "read:jobs",
            Self::ReadCandidates => "read:candidates",
            Self::WriteCandidates => "write:candidates",
            Self::ActionInvite => "action:invite",
            Self::ActionDecide => "action:decide",
            Self::ManageWebhooks => "manage:webhooks",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum KeyState {
    #[default]
    Active,
    Revoked,
    Expired,
    CreatorLostAccess,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CompanyState {
    #[default]
    Active,
    ApiDisabled,
    AccountSuspended,
}

#[derive(Clone, Debug)]
pub(crate) struct ApiKey {
    pub(crate) scopes: Vec<Scope>,
    pub(crate) state: KeyState,
    /// `None`: callers from anywhere.
    pub(crate) allowlist: Option<Vec<IpAddr>>,
}

impl Default for ApiKey {
    fn default() -> Self {
        Self { scopes: Scope::ALL.to_vec(), state: KeyState::Active, allowlist: None }
    }
}

impl ApiKey {
    pub(crate) fn require(&self, scope: Scope) -> Result<(), Refusal> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        Err(Refusal::new(
            StatusCode::FORBIDDEN,
            "SCOPE_INSUFFICIENT",
            format!("The API key lacks the scope {}.", scope.name()),
        ))
    }
}

/// The one company that the sandbox knows. All keys belong to it and share its windows and idempotency keys.
#[derive(Debug)]
pub(crate) struct Company {
    pub(crate) state: CompanyState,
    pub(crate) keys: HashMap<String, ApiKey>,
}

impl Company {
    pub(crate) fn new(keys: &[String]) -> Self {
        let keys = keys.iter().map(|key| (key.clone(), ApiKey::default())).collect();
        Self { state: CompanyState::Active, keys }
    }

    /// Finds the key that a request presents: 401 unless it is a live one.
    pub(crate) fn authenticate(&self, presented: Option<&[u8]>) -> Result<&ApiKey, Refusal> {
        let unauthorized = |message: &str| Refusal::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message);
        let presented = presented.ok_or_else(|| unauthorized("The X-API-Key header is missing."))?;
        let key = std::str::from_utf8(presented).ok().and_then(|name| self.keys.get(name));
        let key = key.ok_or_else(|| unauthorized("The API key is unknown."))?;
        match key.state {
            KeyState::Revoked => Err(unauthorized("The API key has been revoked.")),
            KeyState::Expired => Err(unauthorized("The API key has expired.")),
            KeyState::Active | KeyState::CreatorLostAccess => Ok(key),
        }
    }

    /// What stands between a known key and the API, whichever endpoint it calls.
    pub(crate) fn authorize(&self, key: &ApiKey, caller: IpAddr) -> Result<(), Refusal> {
        let forbidden = |code, message: &str| Err(Refusal::new(StatusCode::FORBIDDEN, code, message));
        if key.state == KeyState::CreatorLostAccess {
            return forbidden("FORBIDDEN", "The person who made this API key no longer has access to the company.");
        }
        if key.allowlist.as_ref().is_some_and(|allowed| !allowed.contains(&caller)) {
            return forbidden("IP_NOT_ALLOWED", "The caller's address is not on the allowlist of this API key.");
        }
        match self.state {
            CompanyState::Active => Ok(()),
            CompanyState::ApiDisabled => forbidden("API_DISABLED", "API access is turned off for this company."),
            CompanyState::AccountSuspended => forbidden("ACCOUNT_SUSPENDED", "The company's account is suspended."),
        }
    }
}
