"""Bills of materials, in CycloneDX."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from licenses import manifest_of
from native import LINUX, TRIPLE, environment
from tree import ROOT, WORK, run

CRATES = ("celper", "celper-python", "celper-node", "celper-uniffi", "celper-sandbox")


def make(*, anywhere: bool = False) -> dict[str, Path]:
    """The bill of each of our crates that ships: on this platform, or on any."""
    # The tool writes into the folder of every crate of a workspace: it gets a workspace to itself.
    copy = WORK / "sbom-tree"
    shutil.rmtree(copy, ignore_errors=True)
    for name in run(
        "git", "ls-files", "--cached", "--others", "--exclude-standard", "*.toml", "*.rs", "Cargo.lock"
    ).split():
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, copy / name)
    target = ["--target", "all" if anywhere else TRIPLE] if anywhere or LINUX else []
    options = ["--format", "json", "--spec-version", "1.5", "--no-build-deps", "--override-filename", "sbom", *target]
    run("cargo-cyclonedx", "cyclonedx", "--quiet", *options, cwd=copy, env=environment())
    out = WORK / ("sbom-anywhere" if anywhere else "sbom")
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    made = {}
    for crate in CRATES:
        folder = manifest_of(crate).parent.relative_to(ROOT)
        made[crate] = out / f"{crate}.cdx.json"
        made[crate].write_text(
            _anonymous((copy / folder / "sbom.json").read_text(encoding="utf-8"), copy), encoding="utf-8"
        )
    shutil.rmtree(copy)
    return made


def _anonymous(bill: str, folder: Path) -> str:
    """Without this machine's folders, and without what is different in every run."""
    found = json.loads(bill.replace(f"path+file://{folder}/", ""))
    del found["serialNumber"], found["metadata"]["timestamp"]
    return re.sub(r"\?download_url=file://[^\"#]*", "", json.dumps(found, indent=2)) + "\n"
