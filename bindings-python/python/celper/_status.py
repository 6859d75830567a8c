"""The status of a candidate."""

from __future__ import annotations

from enum import Enum


class CandidateStatus(str, Enum):
    """A candidate's status for one job position.

        if state.status == CandidateStatus.INTERVIEWED: ...
        if state.status == "interviewed": ...  # the same

    The set is open: a status that this version does not know is a plain ``str``.
    """

    NEW = "new"
    """Not invited yet."""
    INVITED = "invited"
    """Invited to an interview."""
    INTERVIEWED = "interviewed"
    """The interview took place."""
    SELECTED = "selected"
    """Selected."""
    REJECTED = "rejected"
    """Rejected."""
    EXPIRED = "expired"
    """The invitation expired."""
    FAILED = "failed"
    """The interview failed."""
    UNEVALUABLE = "unevaluable"
    """The interview cannot be evaluated."""

    # What Enum prints depends on the version of Python.
    def __str__(self) -> str:
        return str.__str__(self)

    def __format__(self, format_spec: str) -> str:
        return str.__format__(self, format_spec)


BY_VALUE: dict[str, CandidateStatus] = {status.value: status for status in CandidateStatus}
