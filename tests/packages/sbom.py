"""Bills of materials, in CycloneDX."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

from licenses import dependencies, manifest_of
from native import LINUX, TRIPLE, environment
from tree import ROOT, WORK, run

CRATES = ("celper", "celper-python", "celper-node", "celper-uniffi", "celper-sandbox")


def make(*, anywhere: bool = False) -> dict[str, Path]:
    """Write the bill of each published crate, for this platform or for all."""
    # The tool writes into the folder of every crate of the workspace, so it runs on a copy.
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
    bills = {}
    for crate in CRATES:
        folder = manifest_of(crate).parent.relative_to(ROOT)
        bills[crate] = out / f"{crate}.cdx.json"
        bill = _anonymous((copy / folder / "sbom.json").read_text(encoding="utf-8"), copy)
        _drop(bill, dependencies(crate, anywhere=anywhere))
        bills[crate].write_text(json.dumps(bill, indent=2) + "\n", encoding="utf-8")
    shutil.rmtree(copy)
    return bills


def _anonymous(bill: str, folder: Path) -> dict[str, Any]:
    """Remove this machine's paths and the values that differ in every run."""
    text = re.sub(r"\?download_url=file://[^\"#]*", "", bill.replace(f"path+file://{folder}/", ""))
    found: dict[str, Any] = json.loads(text)
    del found["serialNumber"], found["metadata"]["timestamp"]
    return found


def _drop(bill: dict[str, Any], wanted: set[tuple[str, str]]) -> None:
    """Remove the dependencies of other workspace members: the tool unifies the features of all members."""
    kept = [
        component
        for component in bill["components"]
        # Components without a registry are the workspace's own.
        if "registry+" not in component["bom-ref"] or (component["name"], component["version"]) in wanted
    ]
    gone = {component["bom-ref"] for component in bill["components"]} - {component["bom-ref"] for component in kept}
    bill["components"] = kept
    bill["dependencies"] = [
        entry | {"dependsOn": [ref for ref in entry.get("dependsOn", ()) if ref not in gone]}
        for entry in bill["dependencies"]
        if entry["ref"] not in gone
    ]
