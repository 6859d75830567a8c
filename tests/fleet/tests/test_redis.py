"""What happens to a Redis server, and to processes that cannot log in."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

import pytest

from fleet.processes import READS, Fleet, Worker
from fleet.tls import TlsServer
from fleet.valkey import Valkey

LOST = "the rate-limit store cannot be reached"
FOUND = "the rate-limit store can be reached again"


def python(fleet: Fleet) -> list[Worker]:
    """The processes that print their log."""
    return [worker for worker in fleet.workers if worker.language == "python"]


def connections(valkey: Valkey) -> int:
    """How many clients run scripts on the server."""
    return valkey.command("CLIENT LIST").count("cmd=evalsha")


def test_lost_data_is_replaced(valkey: Valkey, tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        fleet.start_all(valkey.url, 4)
        for loss in ("FLUSHALL", "SCRIPT FLUSH"):
            lost = time.time()
            valkey.command(loss)
            fleet.wait_for_each(10, lost)
        valkey.kill()
        valkey.start()
        restarted = time.time()
        fleet.wait_until(lambda: connections(valkey) == len(fleet.workers), "all to come back")
        fleet.wait_for_each(10, restarted)
        fleet.wait_for_full_windows(restarted, fleet.workers)
        fleet.check()


def test_in_an_outage_calls_go_on_with_one_warning_in_each_process(valkey: Valkey, tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        fleet.start_all(valkey.url)
        # A window in which all processes made calls.
        fleet.wait_for_each(5, time.time())
        valkey.kill()
        down = time.time()
        time.sleep(10)
        # Each has its share.
        shares = Counter(request.worker for request in fleet.requests(down))
        assert len(shares) == 8, shares
        assert min(shares.values()) >= 2 * READS / 8, shares
        valkey.start()
        up = time.time()
        fleet.wait_until(lambda: connections(valkey) == len(fleet.workers), "all to come back")
        fleet.wait_for_full_windows(up, fleet.workers)
        fleet.check()
        for worker in python(fleet):
            assert (worker.output.count(f"WARNING {LOST}"), worker.output.count(f"INFO {FOUND}")) == (1, 1), (
                worker.output
            )


def test_a_wrong_password_is_reported_without_any_password(tmp_path: Path) -> None:
    # The processes do not know of each other, so each gets half of the limits.
    with Valkey("--requirepass", "hunter2") as valkey, Fleet(tmp_path, limits={"reads": READS // 2}) as fleet:
        for language in ("python", "node"):
            fleet.start(language, valkey.url.replace("redis://", "redis://default:hunter3@"))
        fleet.wait_for_each(30)
        fleet.check()
        for worker in fleet.workers:
            assert "hunter" not in worker.output
        (one,) = python(fleet)
        assert one.output.count(f"WARNING {LOST}") == 1
        assert valkey.url in one.output


@pytest.mark.parametrize("trusted", [True, False], ids=["trusted", "untrusted"])
def test_over_tls_the_servers_certificate_must_be_trusted(trusted: bool, valkey: Valkey, tmp_path: Path) -> None:
    # Processes that do not trust it do not know of each other, so each gets half of the limits.
    limits = None if trusted else {"reads": READS // 2}
    with TlsServer(tmp_path, valkey.port) as server, Fleet(tmp_path, limits=limits) as fleet:
        if trusted:
            fleet.variables["SSL_CERT_FILE"] = str(server.certificate)
        for language in ("python", "node"):
            fleet.start(language, server.url)
        fleet.wait_for_each(30)
        fleet.check()
        (one,) = python(fleet)
        assert (LOST in one.output, "UnknownIssuer" in one.output) == (not trusted, not trusted), one.output
        assert valkey.command("DBSIZE") == ("1" if trusted else "0")


def test_the_nodes_of_a_cluster_lead_to_one_log(tmp_path: Path) -> None:
    with Valkey("--cluster-enabled", "yes") as one, Valkey("--cluster-enabled", "yes") as two, Fleet(tmp_path) as fleet:
        one.command("CLUSTER ADDSLOTSRANGE 0 8191")
        two.command("CLUSTER ADDSLOTSRANGE 8192 16383")
        one.command(f"CLUSTER MEET 127.0.0.1 {two.port}")
        nodes = (one, two)
        fleet.wait_until(lambda: all("cluster_state:ok" in node.command("CLUSTER INFO") for node in nodes), "a cluster")
        for number in range(4):
            fleet.start(("python", "node")[number % 2], nodes[number // 2].url)
        fleet.wait_for_each(1)
        begin = time.time()
        fleet.wait_for_each(20, begin)
        fleet.wait_for_full_windows(begin, fleet.workers)
        assert sorted(node.command("DBSIZE") for node in nodes) == ["0", "1"]
        fleet.check()
