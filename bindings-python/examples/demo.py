"""The four operations over real HTTP: select one candidate, reject another, and catch a refused action.

`make demo` runs it. The service is the sandbox (`pip install celper-sandbox`), started here on a free port.
"""

from __future__ import annotations

import sys

import celper
from celper_sandbox import Limits, Sandbox

POSITION = "pos_backend"


def show(label: str, value: object) -> None:
    print(f"  {label:<9} {value}")


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

        print("\nThe sandbox received:")
        for request in sandbox.requests():
            outcome = request.answered or "response lost"
            if request.replayed:
                outcome = f"{outcome}, the first response again"
            print(f"  {request.method:<4} {request.raw['target']:<70} {outcome}")


if __name__ == "__main__":
    main()
