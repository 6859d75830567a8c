package ai.celper

import ai.celper.sandbox.NewCandidate
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class ReadmeTest {
    @Test
    fun `the README's first call runs unchanged and exits`() {
        for ((candidate, status) in mapOf("cand_xyz789" to "new", "cand_interviewed" to "interviewed")) {
            Sandbox.server.createCandidate(NewCandidate(candidate, "pos_abc123", status))
        }
        val program = runJava(testClasspath(), "FirstCallKt")
        assertEquals(0, program.status, "${program.lines}")
        assertEquals(listOf("new null", "view the analysis first"), program.lines.filterNot { it.startsWith("open until 20") })
        assertEquals(3, program.lines.size)
    }
}
