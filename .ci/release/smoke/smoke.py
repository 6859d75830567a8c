"""Makes a call to a closed port, with the installed package."""

import celper

try:
    client = celper.Celper("celp_0123456789abcdef0123456789abcdef", base_url="http://127.0.0.1:9", max_retries=0)
    client.get_candidate_status("cand", job_position_id="pos")
except celper.ConnectionFailedError as error:
    print(f"celper {celper.__version__}: {error}")
else:
    raise SystemExit("there is a server at 127.0.0.1:9")
