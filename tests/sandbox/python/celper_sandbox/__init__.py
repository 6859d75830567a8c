"""A stateful local stand-in for the Celper AI Candidate Actions API, for your own tests.

::

    with celper_sandbox.Sandbox() as sandbox:
        candidate = sandbox.create_candidate()
        client = celper.Celper(**sandbox.client_options)
        client.invite_candidate(candidate.id, job_position_id=candidate.job_position_id)
        assert [mail.candidate_id for mail in sandbox.outbox()] == [candidate.id]

With pytest, use the fixture ``celper_sandbox`` instead.
"""

from importlib.metadata import version as _version

from ._models import (
    Act,
    Candidate,
    CompanyState,
    Delivery,
    DeliveryFaultKind,
    FaultKind,
    KeyState,
    Mail,
    Operation,
    Request,
    Scope,
    Unset,
)
from ._program import find_program
from ._sandbox import Limits, Sandbox, SandboxError

__version__ = _version("celper-sandbox")

__all__ = [
    "Sandbox",
    "SandboxError",
    "Limits",
    "Candidate",
    "Request",
    "Mail",
    "Delivery",
    "DeliveryFaultKind",
    "FaultKind",
    "Operation",
    "Act",
    "KeyState",
    "CompanyState",
    "Scope",
    "Unset",
    "find_program",
    "__version__",
]
