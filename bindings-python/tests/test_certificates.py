"""Which certificates are trusted: those that the environment names are, or creating a client fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from celper_sandbox import Sandbox

PROGRAM = """
import sys, celper
try:
    client = celper.Celper(rate_limits=None, max_retries=0)
    print(client.get_candidate_status(sys.argv[1], job_position_id="pos_1").status)
except celper.CelperError as error:
    print(error.kind, error)
"""


def run(sandbox: Sandbox, **variables: str) -> str:
    environment = {**sandbox.environment, **variables}
    command = [sys.executable, "-c", PROGRAM, sandbox.create_candidate().id]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_the_environments_certificates(variable: str, tmp_path: Path) -> None:
    with Sandbox(tls=True) as sandbox:
        assert sandbox.ca_certificate
        trusted = tmp_path / "trusted.pem"
        trusted.write_text(sandbox.ca_certificate)
        assert run(sandbox).startswith("connection ")
        assert run(sandbox, **{variable: str(trusted)}) == "new\n"
        assert run(sandbox, NODE_EXTRA_CA_CERTS=str(trusted)).startswith("connection ")
        empty = tmp_path / "empty.pem"
        empty.touch()
        for unusable in (tmp_path / "missing.pem", empty):
            refused = run(sandbox, **{variable: str(unusable)})
            assert refused.startswith("invalid_argument ")
            assert variable in refused
            assert str(unusable) in refused
