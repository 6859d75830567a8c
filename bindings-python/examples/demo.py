"""The main job over real HTTP: select one candidate, reject another, catch a refused action, invite a dozen as a batch.

`make demo` runs it. The service is the sandbox (`pip install celper-sandbox`), started here on a free port.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import celper
from celper_sandbox import Limits, Sandbox

POSITION = "pos_backend"


def show(label: str, value: object) -> None:
    print(f"  {label:<9} {value}")


def invite_all(client: celper.Celper, candidates: list[str], journal: Path) -> None:
    requests = [celper.InviteRequest(candidate, job_position_id=POSITION) for candidate in candidates]
    resumed = 0
    with client.batch(requests, batch_id="spring", journal=journal) as batch:
        for item in batch:
            resumed += item.resumed
            if item.error is not None:
                show(item.request.candidate_id, item.error)
            elif not item.resumed:
                show(item.request.candidate_id, "invited")
        progress = batch.progress
    show("in all", f"{progress.succeeded} invited ({resumed} in an earlier run), {progress.failed} failed")


def main() -> None:
    with Sandbox(limits=Limits()) as sandbox:
        print(f"The sandbox listens on {sandbox.base_url}.\n")
        sandbox.create_candidate("cand_ada", job_position_id=POSITION)
        sandbox.create_interviewed_candidate("cand_bob", job_position_id=POSITION)
        sandbox.create_candidate("cand_eve", job_position_id=POSITION)

        with celper.Celper(sandbox.api_key, base_url=sandbox.base_url) as client:
            print("Ada is invited, has her interview, and is selected:")
            show("status", client.get_candidate_status("cand_ada", job_position_id=POSITION).status)
            invitation = client.invite_candidate(
                "cand_ada", job_position_id=POSITION, email_subject="Your interview with us"
            )
            show("invited", f"session {invitation.session_id}, open until {invitation.expires_at:%Y-%m-%d %H:%M} UTC")
            sandbox.change_candidate(
                "cand_ada",
                job_position_id=POSITION,
                status="interviewed",
                analysis_viewed=True,
                interview_score=91,
            )
            state = client.get_candidate_status("cand_ada", job_position_id=POSITION)
            show("status", f"{state.status}, score {state.interview_score:g}")
            show("decision", client.select_candidate("cand_ada", job_position_id=POSITION).status)

            print("\nBob is rejected. The first response is lost, and the retry does not reject him twice:")
            sandbox.queue_fault("cand_bob", "close", act="before")
            show("decision", client.reject_candidate("cand_bob", job_position_id=POSITION).status)

            print("\nEve was never interviewed, so selecting her is refused:")
            try:
                client.select_candidate("cand_eve", job_position_id=POSITION)
            except celper.InvalidStatusError as error:
                print(f"  {type(error).__name__}: {error}")
            else:
                sys.exit("the sandbox selected a candidate who had no interview")

            with tempfile.TemporaryDirectory() as folder:
                journal = Path(folder, "spring.jsonl")
                print("\nA dozen are invited as one batch, of whom one is not there yet:")
                candidates = [f"cand_{number:02}" for number in range(1, 13)]
                for candidate in candidates[:-1]:
                    sandbox.create_candidate(candidate, job_position_id=POSITION)
                invite_all(client, candidates, journal)
                print("\nThe same batch again sends only what is missing:")
                sandbox.create_candidate(candidates[-1], job_position_id=POSITION)
                invite_all(client, candidates, journal)

        print("\nThe sandbox received:")
        for request in sandbox.requests():
            outcome = request.answered or "response lost"
            if request.replayed:
                outcome = f"{outcome}, the first response again"
            print(f"  {request.method:<4} {request.raw['target']:<70} {outcome}")


if __name__ == "__main__":
    main()
