"""What happens to the machine's file while processes use it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fleet.processes import Fleet


def folder(temporary: Path) -> Path:
    """The folder of the files: in the user's runtime folder, where there is one."""
    user = os.geteuid()
    runtime = Path(f"/run/user/{user}")
    return runtime / "celper" if runtime.is_dir() else temporary / f"celper-{user}"


def delete(file: Path) -> None:
    file.unlink()


def truncate(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def garble(file: Path) -> None:
    file.write_bytes(os.urandom(2_000))


def grow(file: Path) -> None:
    os.truncate(file, 8 * 1024 * 1024)


def test_a_file_that_is_damaged_or_deleted_is_begun_again(tmp_path: Path) -> None:
    before = set(folder(tmp_path).glob("*"))
    with Fleet(tmp_path) as fleet:
        fleet.start_all("machine", 4)
        (file,) = set(folder(tmp_path).glob("*")) - before
        damages: list[Callable[[Path], None]] = [delete, truncate, garble, grow]
        for damage in damages:
            damaged = time.time()
            damage(file)
            fleet.wait_for_each(10, damaged)
            assert 0 < file.stat().st_size < 100_000, damage
        begin = time.time()
        fleet.wait_for_full_windows(begin, fleet.workers)
        fleet.check()


def unwritable(file: Path) -> Callable[[], None]:
    """Makes a file that cannot be opened; returns how to undo it. The superuser can open any file, but no folder."""
    file.unlink()
    if os.geteuid() == 0:
        file.mkdir()
        return file.rmdir
    file.touch(0o400)
    return file.unlink


def without_folder(file: Path) -> Callable[[], None]:
    """Removes the folder, as a cleaner of temporary files may; it comes back by itself."""
    # In one step: the processes make their files again at once.
    removed = file.parent.rename(file.parent.with_name("removed"))
    shutil.rmtree(removed)
    return lambda: None


@pytest.mark.parametrize("break_it", [unwritable, without_folder])
def test_without_a_file_calls_go_on_until_it_is_back(
    tmp_path: Path, break_it: Callable[[Path], Callable[[], None]]
) -> None:
    if break_it is without_folder and folder(tmp_path).parent != tmp_path:
        pytest.skip("the runtime folder is shared with other programs")
    before = set(folder(tmp_path).glob("*"))
    with Fleet(tmp_path) as fleet:
        fleet.start_all("machine", 4)
        (file,) = set(folder(tmp_path).glob("*")) - before
        broken = time.time()
        repair = break_it(file)
        fleet.wait_for_each(15, broken)
        repair()
        repaired = time.time()
        fleet.wait_until(file.is_file, "a new file")
        fleet.wait_for_full_windows(repaired, fleet.workers)
        fleet.check()
        for worker in fleet.workers:
            if worker.language == "python" and break_it is unwritable:
                assert worker.output.count("WARNING the rate-limit store cannot be reached") == 1, worker.output
