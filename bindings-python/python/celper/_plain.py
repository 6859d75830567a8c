"""What makes results and requests plain data for ``dataclasses`` and pydantic. Both are imported only when they ask."""

from __future__ import annotations

from celper._celper import (
    BatchProgress,
    CandidateState,
    Decision,
    Invitation,
    InviteRequest,
    RateLimit,
    RateLimits,
    RejectRequest,
    SelectRequest,
    StatusRequest,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_dataclasses: dict[type, type] = {}
_COUNTS = ("done", "succeeded", "failed", "not_attempted", "resumed", "in_flight")


def _fields(cls: type) -> dict[str, Any]:
    """The types of a class's fields. Those that are not required have a default."""
    from datetime import datetime, timedelta

    from celper._status import CandidateStatus

    response = {"request_id": str | None, "rate_limit": RateLimit | None, "attempts": int}
    ids = {"candidate_id": str, "job_position_id": str}
    email = {"email_subject": str | None, "email_body": str | None}
    key = {"idempotency_key": str | None}
    limits = {"timeout": float | timedelta | None, "max_retries": int | None}
    fields: dict[type, dict[str, Any]] = {
        RateLimit: {"limit": int | None, "remaining": int | None, "reset_at": datetime | None},
        CandidateState: {
            "status": CandidateStatus | str,
            "analysis_viewed": bool,
            "interview_score": float | None,
            **response,
        },
        Invitation: {
            "invited": bool,
            "session_id": str,
            "email_delivery": str,
            "expires_at": datetime,
            **response,
        },
        Decision: {"status": CandidateStatus | str, **response},
        RateLimits: {"reads": int, "actions": int, "total": int, "window": float},
        InviteRequest: {**ids, **email, **key, **limits},
        SelectRequest: {**ids, **key, **limits},
        RejectRequest: {**ids, **key, **limits},
        StatusRequest: {**ids, **limits},
        BatchProgress: {
            **dict.fromkeys(_COUNTS, int),
            "total": int | None,
            "eta": float | None,
            "rate_limit_wait": float | None,
        },
    }
    return fields[cls]


_REQUIRED = {
    *("status", "analysis_viewed", "invited", "session_id", "email_delivery", "expires_at"),
    *("candidate_id", "job_position_id"),
    *_COUNTS,
}


class _FromDataclass:
    """An attribute with which ``dataclasses`` recognises its own, made on first use."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, instance: object, owner: type) -> Any:
        like = _dataclasses.get(owner)
        if like is None:
            from dataclasses import make_dataclass

            # `dataclasses.replace` passes what it does not change, so no default is needed.
            like = make_dataclass(owner.__name__, list(_fields(owner).items()), frozen=True, kw_only=True)
            _dataclasses[owner] = like
        return getattr(like, self._name)


def _pydantic_schema(cls: type[Any], source: Any, handler: Any, /) -> Any:
    """The schema of a pydantic field of this type, and of FastAPI's responses: an instance, or its fields as data."""
    from pydantic_core import core_schema

    fields = {
        name: core_schema.typed_dict_field(handler.generate_schema(kind), required=name in _REQUIRED)
        for name, kind in _fields(cls).items()
    }

    def validate(value: object, fields_of: Any) -> object:
        return value if isinstance(value, cls) else cls(**fields_of(value))

    return core_schema.no_info_wrap_validator_function(
        validate,
        core_schema.typed_dict_schema(fields),
        metadata={"pydantic_js_updates": {"title": cls.__name__}},
        serialization=core_schema.plain_serializer_function_ser_schema(cls.to_dict),
    )


_ATTRIBUTES = {
    "__dataclass_fields__": _FromDataclass("__dataclass_fields__"),
    "__dataclass_params__": _FromDataclass("__dataclass_params__"),
    "__get_pydantic_core_schema__": classmethod(_pydantic_schema),
}
for _class in (
    BatchProgress,
    CandidateState,
    Decision,
    Invitation,
    InviteRequest,
    RateLimit,
    RateLimits,
    RejectRequest,
    SelectRequest,
    StatusRequest,
):
    for _name, _value in _ATTRIBUTES.items():
        setattr(_class, _name, _value)
