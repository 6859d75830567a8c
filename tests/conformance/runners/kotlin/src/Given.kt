// What a request asks for, as a user of the package would write it.

import ai.celper.Celper
import ai.celper.RateLimits
import com.google.gson.JsonElement
import com.google.gson.JsonObject
import java.lang.reflect.InvocationTargetException
import kotlin.reflect.KFunction
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

fun open(options: JsonObject): Celper = made(::Celper, options)

suspend fun JsonObject.call(client: Celper): Any {
    val given = getAsJsonObject("arguments")
    val candidate = given["candidate_id"].asString
    val position = given["job_position_id"].asString
    val key = given.text("idempotency_key")
    val timeout = given["timeout"]?.asDouble?.seconds
    val retries = given.count("max_retries")
    return when (val operation = text("operation")) {
        "status" -> client.getCandidateStatus(candidate, position, timeout, retries)
        "invite" -> client.inviteCandidate(
            candidate, position, given.text("email_subject"), given.text("email_body"), key, timeout, retries,
        )
        "select" -> client.selectCandidate(candidate, position, key, timeout, retries)
        "reject" -> client.rejectCandidate(candidate, position, key, timeout, retries)
        else -> error("there is no operation $operation")
    }
}

fun JsonObject.text(name: String): String? = get(name)?.asString

fun JsonObject.count(name: String): Int? = get(name)?.asInt

/** Calls the constructor with what is given alone; for the rest its own defaults stand. */
private fun <T> made(constructor: KFunction<T>, given: JsonObject): T {
    val arguments = given.entrySet().associate { (name, value) ->
        val camel = name.replace(Regex("_.")) { it.value.drop(1).uppercase() }
        val parameter = constructor.parameters.first { it.name == camel }
        parameter to argument(value, parameter.type.classifier)
    }
    try {
        return constructor.callBy(arguments)
    } catch (thrown: InvocationTargetException) {
        throw thrown.targetException
    }
}

private fun argument(value: JsonElement, type: Any?): Any? = when {
    value.isJsonNull -> null
    type == Duration::class -> value.asDouble.seconds
    type == Int::class -> value.asInt
    type == RateLimits::class -> made(::RateLimits, value.asJsonObject)
    else -> value.asString
}
