package ai.celper

import com.google.gson.GsonBuilder
import com.sun.jna.Callback
import com.sun.jna.Structure
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Assertions.assertTrue
import org.junit.jupiter.api.Test
import java.io.File
import java.lang.reflect.Modifier

/** The jar tells GraalVM's native-image what JNA looks up by name. The build has no GraalVM, so no test builds an image. */
class NativeImageTest {
    @Test
    fun `the metadata for native images lists every class that JNA looks into`() {
        val classes = jnaClasses()
        assertTrue(classes.any { Structure::class.java.isAssignableFrom(it) } && classes.any { it.isInterface }, "$classes")
        val names = classes.map { it.name } + JNA_STRUCTURES
        val lists = mapOf(
            // GraalVM for JDK 23 and later.
            "reachability-metadata.json" to mapOf(
                "reflection" to names.map { mapOf("type" to it) + MEMBERS + ("jniAccessible" to true) } +
                    LOOKED_UP.map { (type, members) -> mapOf("type" to type) + members },
                "resources" to LIBRARIES.map { mapOf("glob" to "*/$it") },
            ),
            // GraalVM for JDK 17 and 21.
            "reflect-config.json" to names.map { mapOf("name" to it) + MEMBERS } +
                LOOKED_UP.map { (type, members) -> mapOf("name" to type) + members },
            "jni-config.json" to names.map { mapOf("name" to it) + MEMBERS },
            "resource-config.json" to mapOf(
                "resources" to mapOf("includes" to LIBRARIES.map { mapOf("pattern" to "[^/]+/\\Q$it\\E") }),
            ),
        )
        for ((name, content) in lists) {
            val expected = GSON.toJson(content) + "\n"
            val written = File("target/native-image/$name").apply { parentFile.mkdirs() }
            written.writeText(expected)
            val packed = javaClass.getResource("/META-INF/native-image/ai.celper/celper/$name")?.readText()
            assertEquals(expected, packed, "copy $written to src/main/resources/META-INF/native-image/ai.celper/celper")
        }
    }

    /** Structures, callbacks with what implements them, and classes with native methods. */
    private fun jnaClasses(): List<Class<*>> {
        val root = File(Celper::class.java.protectionDomain.codeSource.location.toURI())
        return root.walk().filter { it.extension == "class" && it.name != "module-info.class" }
            .map { Class.forName(it.relativeTo(root).path.removeSuffix(".class").replace(File.separatorChar, '.'), false, javaClass.classLoader) }
            .filter { type ->
                Structure::class.java.isAssignableFrom(type) || Callback::class.java.isAssignableFrom(type) ||
                    type.declaredMethods.any { Modifier.isNative(it.modifiers) }
            }
            .sortedBy { it.name }.toList()
    }

    private companion object {
        /** Filled in for each thread of the core; GraalVM's metadata for JNA has it without its members. */
        val JNA_STRUCTURES = listOf("com.sun.jna.CallbackReference\$AttachOptions")

        /** What this package itself looks up by name. */
        val LOOKED_UP: Map<String, Map<String, Any>> = mapOf(
            "io.opentelemetry.api.GlobalOpenTelemetry" to emptyMap(),
            "java.lang.ref.Cleaner" to emptyMap(),
            "java.lang.System" to mapOf(
                "methods" to listOf(mapOf("name" to "getLogger", "parameterTypes" to listOf("java.lang.String"))),
            ),
            "java.lang.System\$Logger" to mapOf("allPublicMethods" to true),
            "java.lang.System\$Logger\$Level" to mapOf("allPublicFields" to true),
        )
        val LIBRARIES = listOf("libcelper_uniffi.so", "libcelper_uniffi.dylib", "celper_uniffi.dll")

        // JNA also looks for members that are not there, such as a `TYPE_MAPPER`: strict images throw if it is not said of all members.
        val MEMBERS = listOf(
            "allDeclaredConstructors", "allDeclaredFields", "allDeclaredMethods", "allPublicFields", "allPublicMethods",
        ).associateWith { true }
        val GSON = GsonBuilder().setPrettyPrinting().disableHtmlEscaping().create()
    }
}
