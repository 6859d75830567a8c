"""The main job, end to end over real HTTP: one candidate is selected, another rejected, and a refused action is caught.

`make demo` runs it. The service is the sandbox, started here on a free port.
"""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from typing import Any

import celper

POSITION = "pos_backend"


class Stage:
    """The sandbox, and what only the demo does with it."""

    def __init__(self, binary: str) -> None:
        self._process = subprocess.Popen(
            [binary, "--port", "0", "--exit-with-parent"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout
        announced = json.loads(self._process.stdout.readline())
        self.base_url: str = announced["base_url"]
        self.api_key: str = announced["api_key"]
        self._open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open

    def control(self, path: str, body: object = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        with self._open(urllib.request.Request(f"{self.base_url}/_sandbox/{path}", data, method=method)) as answer:
            return json.loads(answer.read() or "null")

    def close(self) -> None:
        self._process.communicate()


def show(what: str, text: object) -> None:
    print(f"  {what:<9} {text}")


def main(binary: str) -> None:
    stage = Stage(binary)
    print(f"A sandbox answers at {stage.base_url}.\n")
    for candidate, status in (("cand_ada", "new"), ("cand_bob", "interviewed"), ("cand_eve", "new")):
        viewed = status != "new"
        body = {"candidateId": candidate, "jobPositionId": POSITION, "status": status, "analysisViewed": viewed}
        stage.control("candidates", body)

    with celper.Celper(stage.api_key, base_url=stage.base_url) as client:
        print("Ada is invited, has her interview, and is selected:")
        show("status", client.get_candidate_status("cand_ada", job_position_id=POSITION).status)
        invitation = client.invite_candidate(
            "cand_ada", job_position_id=POSITION, email_subject="Your interview with us"
        )
        show("invited", f"session {invitation.session_id}, open until {invitation.expires_at:%Y-%m-%d %H:%M} UTC")
        change = {"status": "interviewed", "analysisViewed": True, "interviewScore": 91}
        stage.control("candidates", {"candidateId": "cand_ada", "jobPositionId": POSITION, **change}, "PATCH")
        state = client.get_candidate_status("cand_ada", job_position_id=POSITION)
        show("status", f"{state.status}, score {state.interview_score:g}")
        show("decision", client.select_candidate("cand_ada", job_position_id=POSITION).status)

        print("\nBob is rejected; the first answer is lost on the way, and the retry does not reject him twice:")
        stage.control("faults", {"candidateId": "cand_bob", "kind": "close", "act": "before"})
        show("decision", client.reject_candidate("cand_bob", job_position_id=POSITION).status)

        print("\nEve was never interviewed, so selecting her is refused:")
        try:
            client.select_candidate("cand_eve", job_position_id=POSITION)
        except celper.InvalidStatusError as error:
            print(f"  {type(error).__name__}: {error}")
        else:
            sys.exit("the sandbox selected a candidate who had no interview")

    print("\nWhat the sandbox saw:")
    for request in stage.control("requests"):
        outcome = request["answered"] or "answer lost"
        if request["replayed"]:
            outcome = f"{outcome}, the first answer again"
        print(f"  {request['method']:<4} {request['target']:<70} {outcome}")
    stage.close()


if __name__ == "__main__":
    main(sys.argv[1])
