package ai.celper

import ai.celper.internal.ffi.Failure
import com.google.gson.JsonElement
import com.google.gson.JsonParser
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.lang.reflect.Method
import java.lang.reflect.Modifier
import java.nio.file.Files
import java.nio.file.Path

/**
 * The public API against the table that all languages share, `tests/conformance/api-surface.json`.
 *
 * Class files have neither parameter names nor nullability, so the declarations are read from the sources. There the compiler's
 * explicit API mode makes sure that whatever is public says so.
 */
class ApiSurfaceTest {
    private val table = JsonParser.parseString(Files.readString(Path.of("../../tests/conformance/api-surface.json"))).asJsonObject
    private val declarations = Files.list(Path.of("src/main/kotlin/ai/celper")).use { files ->
        val text = files.filter(Files::isRegularFile).toList().joinToString("\n") { Files.readString(it) }
        // A declaration ends where the next thing at the beginning of a line starts.
        Regex("""^public (?:[a-z]+ )+(\w+)(.*?)(?=^(?:/\*\*|@|\w)|\z)""", setOf(RegexOption.MULTILINE, RegexOption.DOT_MATCHES_ALL))
            .findAll(text).associate { it.groupValues[1] to it.groupValues[2] }
    }

    private val types = mapOf(
        "string" to "String", "integer" to "Int", "number" to "Double", "boolean" to "Boolean", "duration" to "Duration",
        "seconds" to "Duration", "datetime" to "Instant", "pem" to "String", "kind" to "String", "operation" to "String",
        "nothing" to "Unit", "strings" to "List<String>",
    )

    private fun camel(name: String) = Regex("_(.)").replace(name) { it.groupValues[1].uppercase() }

    private fun lines(path: String, node: JsonElement): List<String> = when {
        node.isJsonObject -> node.asJsonObject.entrySet().flatMap { (name, inner) -> lines("$path.$name", inner) }
        node.isJsonArray -> node.asJsonArray.flatMap { lines(path, it) }
        else -> listOf("$path: ${node.asString}")
    }

    /** What the table has of a section, with Kotlin's types and differences. */
    private fun expected(section: String, typed: Boolean): Set<String> {
        val lines = lines(section, table[section]).mapTo(mutableSetOf()) { line ->
            val (path, type, rest) = Regex("""(.*): (\w+)(.*)""").matchEntire(line)!!.destructured
            if (typed) "$section${camel(path.removePrefix(section))}: ${types[type] ?: type}$rest" else line
        }
        for (difference in table["differences"].asJsonObject["kotlin"].asJsonObject.keySet()) {
            val line = difference.drop(2)
            if (line.split('.', ':').first() != section) continue
            assertTrue(if (difference[0] == '+') lines.add(line) else lines.remove(line), "the difference $difference has no effect")
        }
        return lines
    }

    private fun compare(section: String, actual: Iterable<String>, typed: Boolean = true) =
        assertEquals(expected(section, typed).sorted().joinToString("\n"), actual.toSet().sorted().joinToString("\n"))

    private fun find(pattern: String, text: String) =
        Regex(pattern, setOf(RegexOption.MULTILINE, RegexOption.DOT_MATCHES_ALL)).findAll(text).map { it.groupValues.drop(1) }.toList()

    /** Parameters, or properties among them: `name: Type = default`. */
    private fun parameters(path: String, text: String) =
        find("""^\s*(?:@[\w:]+ )?(?:public val )?(\w+): ((?:\(\(\w+\) -> \w+\)|[\w.<>]+)\??)(?: = ([^\n]+?))?,?$""", text).map { (name, type, default) ->
            val shown = default.removeSuffix(".seconds").takeIf { it.isNotEmpty() && it != "null" }
            "$path.$name: ${type.replace("Long", "Int")}" + shown?.let { " = $it" }.orEmpty()
        }

    private fun constructor(of: String) = find("""\A\((.*?)^\)""", declarations.getValue(of)).single().single()

    /** A class's public properties, those of its constructor included. */
    private fun properties(path: String, of: String) =
        find("""^ +(?:@[\w:]+ )?public (?:[a-z]+ )*val (\w+): ([\w.<>]+\??)""", declarations.getValue(of)).map { (name, type) ->
            "$path.$name: ${type.replace("Long", "Int")}"
        }

    @Test
    fun `options and rate limits`() {
        compare("options", parameters("options", constructor("Celper")))
        compare("rate_limits", parameters("rate_limits", constructor("RateLimits")))
    }

    @Test
    fun `the client's methods and properties`() {
        val pattern = """^ +public (?:[a-z]+ )*fun (\w+)\(([^{]*?)\)(?:: ([\w.<>]+\??))?(?: = [^\n]+)?$"""
        val own = """^ +(?:public|override) (?!suspend)(?!fun batch)(?:[a-z]+ )*fun (\w+)\(([^{]*?)\)(?:: ([\w.<>]+\??))?(?= =| \{)"""
        val operations = find(pattern, declarations.getValue("CandidateActions"))
        val methods = operations + find(own, declarations.getValue("Celper")).filter { (name) -> name != "toString" }
        compare("methods", methods.flatMap { (name, parameters, returns) ->
            parameters("methods.$name", parameters) + "methods.$name.returns: ${returns.ifEmpty { "Unit" }}"
        })
        compare("properties", properties("properties", "Celper"))
    }

    @Test
    fun `results, statuses and other names`() {
        val results = table["results"].asJsonObject.keySet()
        compare("results", results.flatMap { properties("results.$it", it) })
        val statuses = find("""public (?:data )?(?:object|class) (\w+)""", declarations.getValue("CandidateStatus")).flatten()
        compare("statuses", statuses.map { "statuses: ${it.lowercase()}" }, typed = false)
        assertEquals(table["statuses"].asJsonArray.map { it.asString }, CandidateStatus.known.map { it.value })
        CandidateStatus.known.forEach { assertEquals(it, CandidateStatus.of(it.value)) }
        val names = declarations.keys.map(::asError) - results - table["error_parents"].asJsonObject.keySet()
        compare("names", names.map { "names: $it" }, typed = false)
    }

    private fun asError(name: String) = name.replace(Regex("Exception$"), "Error")

    @Test
    fun `errors, their fields and their classes`() {
        compare("error_fields", properties("error_fields", "CelperException"))
        val classes = declarations.keys.filter { it.endsWith("Exception") && it != "CelperException" }
        val parents = classes.map { "error_parents.${asError(it)}: " + asError(Class.forName("ai.celper.$it").superclass.simpleName) }
        compare("error_parents", parents, typed = false)
        for ((kind, name) in table["error_kinds"].asJsonObject.entrySet()) {
            val exception = CelperException.of(Failure(kind, "", "", "status", null, null, null, null, 0u, null, null, false, null, null, null))
            assertEquals(name.asString, asError(exception.javaClass.simpleName), kind)
            assertEquals(kind, exception.kind)
        }
    }

    @Test
    fun `Java's classes have the same options and methods`() {
        val setters = { type: Class<*> -> type.own().filter { it.parameterCount == 1 } }
        val options = expected("options", true).map { it.substring("options.".length, it.indexOf(':')) }
        assertEquals(options.toSet(), setters(CelperBuilder::class.java).map { it.name }.toSet())
        val operations = table["operations"].asJsonObject.entrySet().map { it.value.asString }
        for (type in listOf(CelperFutures::class.java, CelperBlocking::class.java)) {
            assertEquals(operations.map(::camel).toSet(), type.own().map { it.name }.toSet() - setOf("batch", "waitForStatus", "watchCandidates"))
        }
        val ofCalls = setters(CallOptions::class.java).map { it.name.removePrefix("with").replaceFirstChar(Char::lowercase) }
        for (method in operations) {
            val arguments = table["methods"].asJsonObject[method].asJsonObject.keySet().map(::camel) - "returns" - ofCalls.toSet()
            for (type in listOf(CelperFutures::class.java, CelperBlocking::class.java)) {
                val longest = type.own().filter { it.name == camel(method) }.maxOf { it.parameterCount }
                assertEquals(arguments.size + 1, longest, method)
            }
        }
        val optional = expected("methods", true).filter { it.endsWith("?") && ".batch." !in it }.map { it.substringAfterLast('.').substringBefore(':') }
        assertEquals(optional.toSet() - setOf("emailSubject", "emailBody"), ofCalls.toSet())
        assertEquals(4, RateLimits::class.java.own().single { it.name == "of" }.parameterCount)
    }

    private fun Class<*>.own(): List<Method> = declaredMethods.filter { Modifier.isPublic(it.modifiers) && !it.isSynthetic && '$' !in it.name }
}
