"""Tests `ai.celper:celper` as a Maven dependency."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from conftest import Sandbox, Workspace, first_call

from tree import DIST, ROOT, version

POM = """<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>example</groupId>
  <artifactId>app</artifactId>
  <version>1</version>
  <properties>
    <project.build.sourceEncoding>UTF-8</project.build.sourceEncoding>
    <kotlin.compiler.daemon>false</kotlin.compiler.daemon>
  </properties>
  <repositories>
    <repository>
      <id>dist</id>
      <url>{repository}</url>
    </repository>
  </repositories>
  <dependencies>
    <dependency>
      <groupId>ai.celper</groupId>
      <artifactId>celper</artifactId>
      <version>{version}</version>
    </dependency>
  </dependencies>
  <build>
    <sourceDirectory>src</sourceDirectory>
    <plugins>
      <plugin>
        <groupId>org.jetbrains.kotlin</groupId>
        <artifactId>kotlin-maven-plugin</artifactId>
        <version>{kotlin}</version>
        <executions>
          <execution>
            <phase>compile</phase>
            <goals>
              <goal>compile</goal>
            </goals>
          </execution>
        </executions>
      </plugin>
      <plugin>
        <groupId>org.codehaus.mojo</groupId>
        <artifactId>exec-maven-plugin</artifactId>
        <version>3.6.2</version>
      </plugin>
    </plugins>
  </build>
</project>
"""


def test_the_first_call(workspace: Workspace, sandbox: Sandbox) -> None:
    """Starts from an empty local repository; our packages come from `target/dist`, the others from Central."""
    pom = ET.parse(ROOT / "bindings-uniffi/kotlin/pom.xml")
    kotlin = pom.findtext(".//{*}kotlin.version")
    workspace.write("pom.xml", POM.format(repository=(DIST / "maven").as_uri(), version=version(), kotlin=kotlin))
    workspace.write("src/FirstCall.kt", first_call("kotlin"))
    maven = ["mvn", "-q", "-B", f"-Dmaven.repo.local={workspace.folder / 'repository'}"]
    workspace.run(*maven, "compile")
    output = workspace.run(*maven, "exec:java", "-Dexec.mainClass=FirstCallKt", **sandbox.variables)
    # Maven prints colour codes even with -q.
    output = re.sub(r"\x1b\[[\d;]*m", "", output)
    assert re.fullmatch(r"new null\nopen until \d{4}-.*\nview the analysis first\n", output)
