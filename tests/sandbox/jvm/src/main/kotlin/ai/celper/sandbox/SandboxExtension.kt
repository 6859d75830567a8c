package ai.celper.sandbox

import org.junit.jupiter.api.extension.BeforeAllCallback
import org.junit.jupiter.api.extension.BeforeEachCallback
import org.junit.jupiter.api.extension.ExtensionContext
import org.junit.jupiter.api.extension.ParameterContext
import org.junit.jupiter.api.extension.ParameterResolver

/**
 * A sandbox for a JUnit 5 test class, for parameters of type [Sandbox].
 *
 * ```kotlin
 * @ExtendWith(SandboxExtension::class)
 * class InviteTest(private val sandbox: Sandbox) { … }
 * ```
 *
 * With options, in Java:
 *
 * ```java
 * @RegisterExtension
 * static final SandboxExtension celper = new SandboxExtension(new SandboxOptions().withTls(true));
 * ```
 *
 * Each test class has one sandbox, which its nested classes share, with an address and an API key that stay the same, so that what is
 * created once for the class can use them. It is reset before each test: before `@BeforeEach`, after `@BeforeAll`. Test classes can run in
 * parallel; the tests of one class cannot, because they share its state.
 */
public class SandboxExtension @JvmOverloads constructor(private val options: SandboxOptions = SandboxOptions()) :
    BeforeAllCallback, BeforeEachCallback, ParameterResolver {
    private var started: Sandbox? = null

    /** The sandbox of the running test class, for an extension in a static field. */
    public val sandbox: Sandbox
        get() = started ?: throw SandboxException("the sandbox runs only during the tests of a class: register the extension in a static field")

    override fun beforeAll(context: ExtensionContext) {
        started = find(context)
    }

    override fun beforeEach(context: ExtensionContext) {
        find(context).also { started = it }.reset()
    }

    override fun supportsParameter(parameterContext: ParameterContext, extensionContext: ExtensionContext): Boolean =
        parameterContext.parameter.type == Sandbox::class.java

    override fun resolveParameter(parameterContext: ParameterContext, extensionContext: ExtensionContext): Any = find(extensionContext)

    private fun find(context: ExtensionContext): Sandbox {
        // Its contexts begin at the top-level class; nested ones are within.
        val topLevelClass = generateSequence(context) { it.parent.orElse(null) }.last { it.testClass.isPresent }
        val store = topLevelClass.getStore(ExtensionContext.Namespace.create(SandboxExtension::class.java, options))
        return store.getOrComputeIfAbsent(Running::class.java, { Running(Sandbox.start(options)) }, Running::class.java).sandbox
    }

    /** JUnit closes it at the end of the class. */
    @Suppress("DEPRECATION") // JUnit before 5.13 closes nothing else.
    private class Running(val sandbox: Sandbox) : ExtensionContext.Store.CloseableResource, AutoCloseable {
        override fun close(): Unit = sandbox.close()
    }
}
