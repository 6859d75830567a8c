// All string forms of an object. The harness searches them for secrets.

import ai.celper.CandidateResult
import ai.celper.CelperException
import com.google.gson.GsonBuilder
import java.io.ByteArrayOutputStream
import java.io.ObjectOutputStream
import java.lang.reflect.Field
import java.lang.reflect.Modifier
import java.util.Collections
import java.util.IdentityHashMap
import java.util.concurrent.ConcurrentLinkedDeque
import java.util.logging.Handler
import java.util.logging.Level
import java.util.logging.LogRecord
import java.util.logging.Logger

private val gson = GsonBuilder().disableHtmlEscaping().create()

/** The latest log records, of all calls: `System.Logger` writes to `java.util.logging`. */
private object Log : Handler() {
    private val lines = ConcurrentLinkedDeque<String>()

    // Loggers are garbage without this reference.
    private val logger = Logger.getLogger("celper").also {
        it.level = Level.ALL
        it.useParentHandlers = false
        it.addHandler(this)
    }

    override fun publish(record: LogRecord) {
        lines += "${record.level} ${record.message}"
        if (lines.size > 50) lines.poll()
    }

    override fun toString() = lines.joinToString("\n")

    override fun flush() = Unit

    override fun close() = Unit
}

private val forms: Map<String, (Any) -> String> = mapOf(
    "toString" to { it.toString() },
    "record" to { "${(it as? CandidateResult)?.record ?: (it as? CelperException)?.record}" },
    "log" to { "$Log" },
    "stack" to { if (it is Throwable) it.stackTraceToString() else "" },
    "json" to { gson.toJson(it) },
    "serialized" to ::serialized,
    "reflection" to { reflected(it).joinToString("\n") },
)

/** The forms by name. A form that throws is replaced by the text of the exception. */
fun strings(target: Any): Map<String, String> = forms.mapValues { (_, form) ->
    try {
        form(target)
    } catch (thrown: Throwable) { // Errors too: a cyclic object can overflow the stack.
        thrown.toString()
    }
}

private fun serialized(target: Any): String {
    val bytes = ByteArrayOutputStream()
    ObjectOutputStream(bytes).use { it.writeObject(target) }
    // Java writes texts in nearly UTF-8. The bytes between them can be replaced.
    return bytes.toString(Charsets.UTF_8)
}

/** All fields of the object and its superclasses, also private ones, and the fields of the package's objects in them. */
private fun reflected(
    target: Any,
    path: String = "",
    seen: MutableSet<Any> = Collections.newSetFromMap(IdentityHashMap()),
): List<String> {
    if (!seen.add(target)) return emptyList()
    return generateSequence<Class<*>>(target.javaClass) { it.superclass }
        .flatMap { it.declaredFields.asSequence() }
        .filterNot { Modifier.isStatic(it.modifiers) }
        .flatMap { field ->
            val value = value(field, target)
            val name = "$path${field.name}"
            val ours = value is Throwable || value?.javaClass?.name.orEmpty().startsWith("ai.celper.")
            listOf("$name = ${shown(value)}") + if (ours && value != null) reflected(value, "$name.", seen) else emptyList()
        }
        .toList()
}

private fun value(field: Field, target: Any): Any? =
    if (field.trySetAccessible()) field.get(target) else "(closed to reflection)"

private fun shown(value: Any?): String = when (value) {
    is ByteArray -> value.decodeToString()
    is CharArray -> value.concatToString()
    is Array<*> -> value.contentDeepToString()
    else -> value.toString()
}
