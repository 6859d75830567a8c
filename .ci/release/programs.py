"""Makes `ai.celper:celper-sandbox` depend on its programs: `programs.py FOLDER`.

FOLDER is the artefact's in a Maven repository, with the pom and the jar of each platform's program. A pom of the source
tree cannot name them: no machine can build them all.
"""

from __future__ import annotations

import hashlib
import re
import sys
from pathlib import Path

DEPENDENCY = """\
    <dependency>
      <groupId>ai.celper</groupId>
      <artifactId>celper-sandbox</artifactId>
      <version>{version}</version>
      <classifier>{platform}</classifier>
      <scope>runtime</scope>
    </dependency>
"""
END = "  </dependencies>\n"


def platforms(folder: Path) -> list[str]:
    """The platforms whose programs are in the folder, by the classifiers of their jars."""
    name = f"celper-sandbox-{folder.name}-"
    found = {path.stem.removeprefix(name) for path in folder.glob(f"{name}*.jar")}
    return sorted(found - {"sources", "javadoc"})


def complete(folder: Path) -> list[str]:
    """Write the dependencies into the pom, and return the platforms."""
    (pom,) = folder.glob("*.pom")
    found = platforms(folder)
    earlier = r" *<dependency>(?:(?!</dependency>).)*<classifier>.*?</dependency>\n"
    text = re.sub(earlier, "", pom.read_text(), flags=re.DOTALL)
    entries = [DEPENDENCY.format(version=folder.name, platform=platform) for platform in found]
    pom.write_text(text.replace(END, "".join(entries) + END, 1))
    # Maven has written the checksums of what it deployed; the assembled release has none yet.
    for algorithm in ("md5", "sha1"):
        if pom.with_name(f"{pom.name}.{algorithm}").exists():
            for path in (pom, *folder.glob("*.jar")):
                digest = hashlib.new(algorithm, path.read_bytes()).hexdigest()
                path.with_name(f"{path.name}.{algorithm}").write_text(digest)
    return found


if __name__ == "__main__":
    print(*complete(Path(sys.argv[1])), sep="\n")
