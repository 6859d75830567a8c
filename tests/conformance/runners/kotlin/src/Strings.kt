// All string forms that Kotlin and Java have for a thing, to be searched for secrets.

import com.google.gson.GsonBuilder
import java.io.ByteArrayOutputStream
import java.io.ObjectOutputStream
import java.lang.reflect.Field
import java.lang.reflect.Modifier
import java.util.Collections
import java.util.IdentityHashMap

private val gson = GsonBuilder().disableHtmlEscaping().create()

private val forms: Map<String, (Any) -> String> = mapOf(
    "toString" to { it.toString() },
    "stack" to { if (it is Throwable) it.stackTraceToString() else "" },
    "json" to { gson.toJson(it) },
    "serialized" to ::serialized,
    "reflection" to { reflected(it).joinToString("\n") },
)

/** The forms by name; for one that the thing refuses, the text of the refusal. */
fun strings(thing: Any): Map<String, String> = forms.mapValues { (_, form) ->
    try {
        form(thing)
    } catch (refusal: Throwable) { // Errors too: a library may run in circles until the stack is full.
        refusal.toString()
    }
}

private fun serialized(thing: Any): String {
    val bytes = ByteArrayOutputStream()
    ObjectOutputStream(bytes).use { it.writeObject(thing) }
    // Texts are UTF-8 there, near enough; what stands between them need not be readable.
    return bytes.toString(Charsets.UTF_8)
}

/** Every field of it and of its superclasses, private or not, and those of the package's own objects in them. */
private fun reflected(
    thing: Any,
    path: String = "",
    seen: MutableSet<Any> = Collections.newSetFromMap(IdentityHashMap()),
): List<String> {
    if (!seen.add(thing)) return emptyList()
    return generateSequence<Class<*>>(thing.javaClass) { it.superclass }
        .flatMap { it.declaredFields.asSequence() }
        .filterNot { Modifier.isStatic(it.modifiers) }
        .flatMap { field ->
            val value = value(field, thing)
            val name = "$path${field.name}"
            val ours = value is Throwable || value?.javaClass?.name.orEmpty().startsWith("ai.celper.")
            listOf("$name = ${shown(value)}") + if (ours && value != null) reflected(value, "$name.", seen) else emptyList()
        }
        .toList()
}

private fun value(field: Field, thing: Any): Any? =
    if (field.trySetAccessible()) field.get(thing) else "(closed to reflection)"

private fun shown(value: Any?): String = when (value) {
    is ByteArray -> value.decodeToString()
    is CharArray -> value.concatToString()
    is Array<*> -> value.contentDeepToString()
    else -> value.toString()
}
