// Creates clients and makes calls with the arguments of a command.

import ai.celper.CandidateStatus
import ai.celper.Celper
import ai.celper.RateLimits
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import java.lang.reflect.InvocationTargetException
import kotlin.reflect.KFunction
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

fun open(options: JsonObject): Celper = construct(::Celper, options)

suspend fun JsonObject.call(client: Celper): Any {
    val arguments = getAsJsonObject("arguments")
    val candidate = arguments["candidate_id"].asString
    val position = arguments["job_position_id"].asString
    val key = arguments.text("idempotency_key")
    val timeout = arguments["timeout"]?.asDouble?.seconds
    val retries = arguments.count("max_retries")
    return when (val method = text("method")) {
        "get_candidate_status" -> client.getCandidateStatus(candidate, position, timeout, retries)
        "invite_candidate" -> client.inviteCandidate(
            candidate, position, arguments.text("email_subject"), arguments.text("email_body"), key, timeout, retries,
        )
        "select_candidate" -> client.selectCandidate(candidate, position, key, timeout, retries)
        "wait_for_status" -> {
            val until = arguments["until"].asJsonArray.map { CandidateStatus.of(it.asString) }.toSet()
            if (timeout == null) client.waitForStatus(candidate, position, until) else client.waitForStatus(candidate, position, until, timeout)
        }
        "reject_candidate" -> client.rejectCandidate(candidate, position, key, timeout, retries)
        else -> error("unknown method $method")
    }
}

fun JsonObject.text(name: String): String? = get(name)?.asString

fun JsonObject.count(name: String): Int? = get(name)?.asInt

/** Passes only these arguments to the constructor, so that its own defaults apply to the others. */
private fun <T> construct(constructor: KFunction<T>, values: JsonObject): T {
    val arguments = values.entrySet().associate { (name, value) ->
        val camel = name.replace(Regex("_.")) { it.value.drop(1).uppercase() }
        val parameter = constructor.parameters.first { it.name == camel }
        parameter to converted(value, parameter.type.classifier)
    }
    try {
        return constructor.callBy(arguments)
    } catch (thrown: InvocationTargetException) {
        throw thrown.targetException
    }
}

private fun converted(value: JsonElement, type: Any?): Any? = when {
    value.isJsonNull -> null
    type == Duration::class -> value.asDouble.seconds
    type == Int::class -> value.asInt
    type == List::class -> value.asJsonArray.map { it.asString }
    type == RateLimits::class -> construct(::RateLimits, value.asJsonObject)
    else -> value.asString
}
