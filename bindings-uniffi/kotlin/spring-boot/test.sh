#!/usr/bin/env bash
# Runs the application, a Spring Boot fat jar, against the sandbox: `test.sh CELPER_SANDBOX`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

coproc SANDBOX { exec "$1" --port 0 --no-limits --exit-with-parent; }
trap 'kill "$SANDBOX_PID"' EXIT
read -r ready <&"${SANDBOX[0]}"
field() { python3 -c 'import json, sys; print(json.loads(sys.argv[1])[sys.argv[2]])' "$ready" "$1"; }
CELPER_BASE_URL="$(field base_url)" CELPER_API_KEY="$(field api_key)"
export CELPER_BASE_URL CELPER_API_KEY
curl --silent --fail --output /dev/null --json '{"candidateId":"cand_1","jobPositionId":"pos_1","status":"new"}' \
    "$CELPER_BASE_URL/_sandbox/candidates"

expected=$'kotlin 1.9.25\nstatus new\ninvited true\nrefused INVALID_STATUS'
found="$(timeout 120 java -jar target/celper-spring-boot-test-0.jar --spring.main.banner-mode=off --logging.level.root=warn)" ||
    { echo "$found" && exit 1; }
diff <(echo "$expected") <(echo "$found")
echo "spring-boot: everything passed"
