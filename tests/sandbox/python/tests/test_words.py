"""The types list the values that the program accepts: it lists them in its error for another one."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest

from celper_sandbox import Sandbox, SandboxError, _models


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        (_models.FaultKind, "faults", {"candidateId": "c", "kind": "?"}),
        (_models.Operation, "faults", {"candidateId": "c", "kind": "close", "operation": "?"}),
        (_models.Act, "faults", {"candidateId": "c", "kind": "close", "act": "?"}),
        (_models.KeyState, "keys", {"key": "celp_x", "state": "?"}),
        (_models.DeliveryFaultKind, "webhook-faults", {"kind": "?"}),
        (_models.Scope, "keys", {"key": "celp_x", "scopes": ["?"]}),
        (_models.CompanyState, "company", {"state": "?"}),
    ],
)
def test_the_types_list_what_the_program_accepts(sandbox: Sandbox, words: Any, path: str, body: dict[str, Any]) -> None:
    with pytest.raises(SandboxError) as refused:
        sandbox.control(path, body)
    _, *known = re.findall("`([^`]+)`", str(refused.value))
    assert set(get_args(words)) == set(known)
