"""How operations and errors are called, and what to do about each error."""

from __future__ import annotations

# The imperative, the participle of what is going on, and that of what has happened.
WORDS = {
    "invite": ("invite", "inviting", "invited"),
    "select": ("select", "selecting", "selected"),
    "reject": ("reject", "rejecting", "rejected"),
    "status": ("read the status of", "reading", "read"),
    "decide": ("decide on", "deciding", "decided"),
}

_BY_CODE = {
    "IP_NOT_ALLOWED": "The API key may not be used from this address. Add it to the key's allowlist in Celper.",
    "SCOPE_INSUFFICIENT": "The API key lacks a scope: read:candidates for status, action:invite for invite, "
    "action:decide for select and reject.",
    "API_DISABLED": "API access is switched off for your company. An administrator can switch it on in Celper.",
    "ACCOUNT_SUSPENDED": "Your company's account is suspended. Ask Celper's support.",
}
_BY_KIND = {
    "invalid_argument": "Correct these rows; nothing was sent for them.",
    "invalid_request": "The service does not accept these values. Correct the rows, and run the command again.",
    "authentication": "Check CELPER_API_KEY: the key may be incomplete, revoked, expired, or for another base URL.",
    "permission_denied": "The API key may not do this. Ask who manages the API keys in Celper.",
    "not_found": "Check both ids: there is no such candidate for that job position.",
    "analysis_not_viewed": "Somebody has to open the interview's analysis in Celper first. Then run the command again.",
    "idempotency_conflict": "The idempotency key was used for another request in the last 24 hours. Use another key.",
    "conflict": "The service refuses this in the candidate's present state. See the message.",
    "rate_limited": "The company's rate limit is used up. Run the command again later; it goes on where it stopped.",
    "server": "The service has a fault. Run the command again later; it goes on where it stopped.",
    "connection": "Check the network, the proxy and the base URL. Then run the command again.",
    "timeout": "The service or the network is too slow. Run the command again later.",
    "unexpected_response": "That was no response of the Celper API. Check the base URL and the proxy.",
    "internal": "This is a fault of the celper package. Please report it.",
}
_INVALID_STATUS = {
    "invite": "Only candidates with the status new can be invited. See theirs with `celper status`.",
    "status": "",
}
_INVALID_DECISION = (
    "Only candidates with the status interviewed can be selected or rejected. See theirs with `celper status`."
)


def advice(kind: str, code: str | None, operation: str) -> str:
    """What to do about an error."""
    if code in _BY_CODE:
        return _BY_CODE[code]
    if kind == "invalid_status":
        return _INVALID_STATUS.get(operation, _INVALID_DECISION)
    return _BY_KIND.get(kind, "")
