//! API keys with their scopes and state, and the company that they belong to.

use std::collections::HashMap;
use std::net::IpAddr;

use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use crate::bounded::{Budget, BudgetExceeded};
use crate::response::ApiError;

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
    /// `None`: any address.
    pub(crate) allowlist: Option<Vec<IpAddr>>,
}

impl Default for ApiKey {
    fn default() -> Self {
        Self { scopes: Scope::ALL.to_vec(), state: KeyState::Active, allowlist: None }
    }
}

impl ApiKey {
    /// An estimate of its memory.
    fn size(&self, key: &str) -> usize {
        let allowlist = self.allowlist.as_ref().map_or(0, Vec::capacity);
        2 * size_of::<(String, Self)>() + key.len() + self.scopes.capacity() + allowlist * size_of::<IpAddr>()
    }

    pub(crate) fn require(&self, scope: Scope) -> Result<(), ApiError> {
        if self.scopes.contains(&scope) {
            return Ok(());
        }
        Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "SCOPE_INSUFFICIENT",
            format!("The API key lacks the scope {}.", scope.name()),
        ))
    }
}

/// Tests add keys, so the sandbox refuses more than this instead of dropping some.
const MAX_KEY_BYTES: usize = 8 * 1024 * 1024;

/// Why a text cannot be an API key.
#[derive(Debug, thiserror::Error)]
#[error("an API key must not be blank, begin or end with white space, or contain control characters")]
pub(crate) struct InvalidKey;

/// A key must arrive unchanged in a header.
pub(crate) fn validate_key(key: &str) -> Result<(), InvalidKey> {
    let valid = !key.is_empty() && key.trim() == key && !key.contains(char::is_control);
    if valid { Ok(()) } else { Err(InvalidKey) }
}

/// The sandbox's only company. All keys belong to it and share its rate windows and idempotency keys.
#[derive(Debug)]
pub(crate) struct Company {
    pub(crate) state: CompanyState,
    keys: HashMap<String, ApiKey>,
    budget: Budget,
}

impl Company {
    pub(crate) fn new(keys: &[String]) -> Self {
        let keys = keys.iter().map(|key| (key.clone(), ApiKey::default())).collect();
        Self { state: CompanyState::Active, keys, budget: Budget::new("API keys", MAX_KEY_BYTES) }
    }

    /// Adds or replaces a key.
    pub(crate) fn put_key(&mut self, key: String, described: ApiKey) -> Result<(), BudgetExceeded> {
        let replaced = self.keys.get(&key).map_or(0, |described| described.size(&key));
        self.budget.replace(replaced, described.size(&key))?;
        self.keys.insert(key, described);
        Ok(())
    }

    /// Finds the key of a request: 401 unless it is known and neither revoked nor expired.
    pub(crate) fn authenticate(&self, presented: Option<&[u8]>) -> Result<&ApiKey, ApiError> {
        let unauthorized = |message: &str| ApiError::new(StatusCode::UNAUTHORIZED, "UNAUTHORIZED", message);
        let presented = presented.ok_or_else(|| unauthorized("The X-API-Key header is missing."))?;
        let key = std::str::from_utf8(presented).ok().and_then(|name| self.keys.get(name));
        let key = key.ok_or_else(|| unauthorized("The API key is unknown."))?;
        match key.state {
            KeyState::Revoked => Err(unauthorized("The API key has been revoked.")),
            KeyState::Expired => Err(unauthorized("The API key has expired.")),
            KeyState::Active | KeyState::CreatorLostAccess => Ok(key),
        }
    }

    /// Checks that apply to a known key on every endpoint.
    pub(crate) fn authorize(&self, key: &ApiKey, caller: IpAddr) -> Result<(), ApiError> {
        let forbidden = |code, message: &str| Err(ApiError::new(StatusCode::FORBIDDEN, code, message));
        if key.state == KeyState::CreatorLostAccess {
            return forbidden("FORBIDDEN", "The creator of this API key no longer has access to the company.");
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
