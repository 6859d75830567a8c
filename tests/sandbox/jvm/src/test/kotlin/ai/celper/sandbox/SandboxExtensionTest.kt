package ai.celper.sandbox

import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertThrows
import org.junit.jupiter.api.BeforeAll
import org.junit.jupiter.api.BeforeEach
import org.junit.jupiter.api.Nested
import org.junit.jupiter.api.Test
import org.junit.jupiter.api.extension.ExtendWith
import org.junit.jupiter.api.extension.RegisterExtension
import org.junit.platform.engine.discovery.DiscoverySelectors.selectClass
import org.junit.platform.testkit.engine.EngineTestKit

class SandboxExtensionTest {
    private fun run(type: Class<*>, tests: Long) {
        EngineTestKit.engine("junit-jupiter").selectors(selectClass(type)).execute().testEvents()
            .assertStatistics { it.started(tests).succeeded(tests) }
    }

    @Test
    fun `a class has a sandbox that is empty for each test, and ends with it`() {
        run(InjectedExample::class.java, 3)
        val sandbox = seen.toSet().single()
        assertThrows(SandboxException::class.java) { sandbox.now() }
        seen.clear()
        run(InjectedExample::class.java, 3)
        assertEquals(1, (seen.map { it.apiKey } + sandbox.apiKey).toSet().size - 1)
    }

    @Test
    fun `a static field has options, and gives the sandbox`() = run(FieldExample::class.java, 1)

    companion object {
        val seen = mutableListOf<Sandbox>()
    }
}

// Not tests by their names; SandboxExtensionTest runs them.

@ExtendWith(SandboxExtension::class)
class InjectedExample(private val sandbox: Sandbox) {
    @BeforeEach
    fun create(same: Sandbox) {
        assertEquals(sandbox, same)
        assertEquals("cand_1", sandbox.createCandidate().id)
    }

    @Test
    fun one() = empty()

    @Test
    fun other() = empty()

    private fun empty() {
        SandboxExtensionTest.seen += sandbox
        assertEquals(1, sandbox.candidates().size)
        sandbox.setWebhook("http://127.0.0.1:9/", "whsec_test")
    }

    @Nested
    inner class Within {
        @Test
        fun nested() = empty()
    }

    companion object {
        @JvmStatic
        @BeforeAll
        fun begin(sandbox: Sandbox) {
            SandboxExtensionTest.seen += sandbox
        }
    }
}

class FieldExample {
    @Test
    fun limited(sandbox: Sandbox) {
        assertEquals(extension.sandbox, sandbox)
        assertEquals("celp_mine", sandbox.apiKey)
    }

    companion object {
        @JvmField
        @RegisterExtension
        val extension = SandboxExtension(SandboxOptions().withApiKey("celp_mine"))

        @JvmStatic
        @BeforeAll
        fun begin() {
            assertEquals("celp_mine", extension.sandbox.apiKey)
        }
    }
}
