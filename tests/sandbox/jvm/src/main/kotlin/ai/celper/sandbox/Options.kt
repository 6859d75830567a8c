package ai.celper.sandbox

import java.nio.file.Path
import java.time.Duration

/** Rate limits; the defaults are the service's. */
public data class Limits @JvmOverloads constructor(
    public val reads: Int = 40,
    public val actions: Int = 30,
    /** Reads and actions together. */
    public val total: Int = 60,
    public val window: Duration = Duration.ofSeconds(60),
)

/**
 * Options of [Sandbox.start]. In Java: `new SandboxOptions().withLimits(new Limits())`.
 *
 * @property limits The rate limits; null turns rate limiting off.
 * @property tls Serve HTTPS; clients must trust [Sandbox.caCertificate].
 * @property host The IP address to listen on; `0.0.0.0` for all, so that a container can reach it.
 * @property port The port to listen on; 0 takes any free port.
 * @property serverNames More names under which clients reach it, such as `host.docker.internal`: the certificate has them, and the
 *   control endpoints accept them as `Host`.
 * @property apiKey The API key with all scopes; a random one by default.
 * @property program The path of `celper-sandbox`. By default it is `CELPER_SANDBOX` of the environment, or else the program of this
 *   platform's artefact.
 */
public data class SandboxOptions @JvmOverloads constructor(
    public val limits: Limits? = null,
    public val tls: Boolean = false,
    public val host: String = "127.0.0.1",
    public val port: Int = 0,
    public val serverNames: List<String> = emptyList(),
    public val apiKey: String? = null,
    public val program: Path? = null,
) {
    public fun withLimits(limits: Limits?): SandboxOptions = copy(limits = limits)

    public fun withTls(tls: Boolean): SandboxOptions = copy(tls = tls)

    public fun withHost(host: String): SandboxOptions = copy(host = host)

    public fun withPort(port: Int): SandboxOptions = copy(port = port)

    public fun withServerNames(serverNames: List<String>): SandboxOptions = copy(serverNames = serverNames)

    public fun withApiKey(apiKey: String?): SandboxOptions = copy(apiKey = apiKey)

    public fun withProgram(program: Path?): SandboxOptions = copy(program = program)

    /** Without the key, which the sandbox prints where it is wanted. */
    internal fun arguments(key: String): List<String> = buildList {
        add("--host=$host")
        add("--port=$port")
        add("--key=$key")
        add("--exit-with-parent")
        for (name in serverNames) add("--server-name=$name")
        if (limits == null) {
            add("--no-limits")
        } else {
            addAll(listOf("--reads=${limits.reads}", "--actions=${limits.actions}", "--total=${limits.total}"))
            add("--window=${limits.window.inSeconds}")
        }
        if (tls) add("--tls")
    }
}

/**
 * A candidate to create. In Java: `new NewCandidate().withStatus("invited")`.
 *
 * @property candidateId The id; `cand_1`, `cand_2` … by default.
 * @property status Any text, including a status that clients do not know.
 * @property interviewScore Absent from responses by default; for one that is null, add it to [extra].
 * @property extra More fields for the data of status responses: text, numbers, booleans, lists, maps and null.
 */
public data class NewCandidate @JvmOverloads constructor(
    public val candidateId: String? = null,
    public val jobPositionId: String = "pos_1",
    public val status: String = "new",
    public val analysisViewed: Boolean = false,
    public val interviewScore: Double? = null,
    public val extra: Map<String, Any?> = emptyMap(),
) {
    public fun withCandidateId(candidateId: String?): NewCandidate = copy(candidateId = candidateId)

    public fun withJobPositionId(jobPositionId: String): NewCandidate = copy(jobPositionId = jobPositionId)

    public fun withStatus(status: String): NewCandidate = copy(status = status)

    public fun withAnalysisViewed(analysisViewed: Boolean): NewCandidate = copy(analysisViewed = analysisViewed)

    public fun withInterviewScore(interviewScore: Double?): NewCandidate = copy(interviewScore = interviewScore)

    public fun withExtra(extra: Map<String, Any?>): NewCandidate = copy(extra = extra)

    public companion object {
        /** A candidate who can be selected or rejected. */
        @JvmStatic
        public fun interviewed(): NewCandidate = NewCandidate(status = "interviewed", analysisViewed = true, interviewScore = 85.0)
    }
}

/** An API key to add. In Java: `new NewKey().withScopes(Scope.READ_CANDIDATES)`. */
public data class NewKey @JvmOverloads constructor(
    /** A random one by default. */
    public val key: String? = null,
    /** All by default. */
    public val scopes: Set<Scope>? = null,
    public val state: KeyState = KeyState.ACTIVE,
    /** The addresses that can use it; null for any. */
    public val allowlist: List<String>? = null,
) {
    public fun withKey(key: String?): NewKey = copy(key = key)

    public fun withScopes(vararg scopes: Scope): NewKey = copy(scopes = scopes.toSet())

    public fun withState(state: KeyState): NewKey = copy(state = state)

    public fun withAllowlist(allowlist: List<String>?): NewKey = copy(allowlist = allowlist)
}

internal val Duration.inSeconds: Double get() = seconds + nano / 1e9
