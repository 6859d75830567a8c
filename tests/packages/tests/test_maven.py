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
    <!-- Of the compiler's version, which Kotlin asks of each project: the package brings an older one. -->
    <dependency>
      <groupId>org.jetbrains.kotlin</groupId>
      <artifactId>kotlin-stdlib</artifactId>
      <version>{kotlin}</version>
    </dependency>
    <dependency>
      <groupId>ai.celper</groupId>
      <artifactId>celper</artifactId>
      <version>{version}</version>
    </dependency>
    <dependency>
      <groupId>ai.celper</groupId>
      <artifactId>celper-sandbox</artifactId>
      <version>{version}</version>
      <scope>test</scope>
    </dependency>
    <dependency>
      <groupId>org.junit.jupiter</groupId>
      <artifactId>junit-jupiter</artifactId>
      <version>{junit}</version>
      <scope>test</scope>
    </dependency>
  </dependencies>
  <build>
    <sourceDirectory>src</sourceDirectory>
    <testSourceDirectory>tests</testSourceDirectory>
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
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-compiler-plugin</artifactId>
        <version>3.14.1</version>
        <configuration>
          <release>17</release>
        </configuration>
      </plugin>
      <plugin>
        <groupId>org.apache.maven.plugins</groupId>
        <artifactId>maven-surefire-plugin</artifactId>
        <version>3.5.4</version>
      </plugin>
    </plugins>
  </build>
</project>
"""


def test_the_first_call_and_the_sandbox(workspace: Workspace, sandbox: Sandbox) -> None:
    """Starts from an empty local repository; our packages come from `target/dist`, the others from Central.

    The first call's sandbox is the one of the pip package. The README's JUnit test starts the one of the artefacts.
    """
    pom = ET.parse(ROOT / "bindings-uniffi/kotlin/pom.xml")
    versions = {name: pom.findtext(f".//{{*}}{name}.version") for name in ("kotlin", "junit")}
    workspace.write("pom.xml", POM.format(repository=(DIST / "maven").as_uri(), version=version(), **versions))
    workspace.write("src/FirstCall.kt", first_call("kotlin"))
    readme = (ROOT / "tests/sandbox/jvm/README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```java\n(import static .*?)```", readme, re.DOTALL)
    workspace.write("tests/JavaInviteTest.java", example)
    maven = ["mvn", "-q", "-B", f"-Dmaven.repo.local={workspace.folder / 'repository'}"]
    workspace.run(*maven, "test")
    report = (workspace.folder / "target/surefire-reports/JavaInviteTest.txt").read_text(encoding="utf-8")
    assert "Tests run: 1, Failures: 0, Errors: 0, Skipped: 0" in report
    output = workspace.run(*maven, "exec:java", "-Dexec.mainClass=FirstCallKt", **sandbox.variables)
    # Maven prints colour codes even with -q.
    output = re.sub(r"\x1b\[[\d;]*m", "", output)
    assert re.fullmatch(r"new null\nopen until \d{4}-.*\nview the analysis first\n", output)
