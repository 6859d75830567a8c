"""A call that nobody answers, with the package that is installed."""

import celper

try:
    client = celper.Celper("celp_0123456789abcdef0123456789abcdef", base_url="http://127.0.0.1:9", max_retries=0)
    client.get_candidate_status("cand", job_position_id="pos")
except celper.ConnectionFailedError as error:
    print(f"celper {celper.__version__}: {error}")
else:
    raise SystemExit("somebody answered at 127.0.0.1:9")
