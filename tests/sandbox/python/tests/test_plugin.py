"""The fixture in a separate pytest run, loaded through the package's entry point."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]

TWO_TESTS = """
import os

seen = []

def test_one(celper_sandbox):
    celper_sandbox.create_candidate()
    celper_sandbox.advance_clock(3600)
    assert os.environ["CELPER_BASE_URL"] == celper_sandbox.base_url
    assert os.environ["CELPER_API_KEY"] == celper_sandbox.api_key
    assert "127.0.0.1" in os.environ["NO_PROXY"]
    seen.append((celper_sandbox.base_url, celper_sandbox.api_key))

def test_another(celper_sandbox):
    assert celper_sandbox.candidates() == []
    assert celper_sandbox.create_candidate().id == "cand_1"
    url, key = seen[0]
    assert celper_sandbox.base_url == url, "one process"
    assert celper_sandbox.api_key != key, "its own key"

def test_without():
    assert os.environ.get("CELPER_API_KEY") is None
"""


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CELPER_API_KEY", "CELPER_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def test_each_test_has_a_clean_sandbox(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TWO_TESTS)
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=3)


def test_a_real_key_in_the_environment_gives_a_warning(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CELPER_API_KEY", "celp_00000000000000000000000000000000")
    pytester.makepyfile("def test_it(celper_sandbox): pass")
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.fnmatch_lines(["*UserWarning: CELPER_API_KEY was set before the fixture*"])


def test_a_reset_keeps_the_key_of_the_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import urllib.request

        def test_it(celper_sandbox):
            celper_sandbox.reset()
            candidate = celper_sandbox.create_candidate()
            url = f"{celper_sandbox.base_url}/v1/candidates/{candidate.id}/status?jobPositionId=pos_1"
            urllib.request.urlopen(urllib.request.Request(url, headers={"X-API-Key": celper_sandbox.api_key})).close()
        """
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)


def test_options_can_be_set(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(
        """
        import celper_sandbox, pytest

        @pytest.fixture(scope="session")
        def celper_sandbox_process():
            with celper_sandbox.Sandbox(limits=celper_sandbox.Limits(reads=7)) as sandbox:
                yield sandbox
        """
    )
    pytester.makepyfile(
        """
        def test_it(celper_sandbox):
            assert celper_sandbox.control("windows")["reads"]["limit"] == 7
        """
    )
    pytester.runpytest_subprocess("-W", "error").assert_outcomes(passed=1)


def test_it_is_documented(pytester: pytest.Pytester) -> None:
    run = pytester.runpytest_subprocess("--fixtures")
    run.stdout.fnmatch_lines(["celper_sandbox -- *pytest_plugin.py:*", "*An empty sandbox*"], consecutive=False)
