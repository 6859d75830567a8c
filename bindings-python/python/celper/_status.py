"""Where a candidate stands."""

from __future__ import annotations

from enum import Enum


class CandidateStatus(str, Enum):
    """Where a candidate stands in one job position's process.

        if state.status == CandidateStatus.INTERVIEWED: ...
        if state.status == "interviewed": ...  # the same

    The set is open: a status that this version does not know comes as a plain ``str``.
    """

    NEW = "new"
    """Known to the position; not invited yet."""
    INVITED = "invited"
    """Invited to an interview."""
    INTERVIEWED = "interviewed"
    """The interview took place."""
    SELECTED = "selected"
    """Selected."""
    REJECTED = "rejected"
    """Rejected."""
    EXPIRED = "expired"
    """The invitation ran out."""
    FAILED = "failed"
    """The interview failed."""
    UNEVALUABLE = "unevaluable"
    """The interview cannot be evaluated."""

    # The same text in every version of Python, whose own choice has changed.
    def __str__(self) -> str:
        return str.__str__(self)

    def __format__(self, format_spec: str) -> str:
        return str.__format__(self, format_spec)


BY_VALUE: dict[str, CandidateStatus] = {status.value: status for status in CandidateStatus}
