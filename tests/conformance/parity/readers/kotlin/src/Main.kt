import ai.celper.Celper
import java.io.File
import java.util.jar.JarFile
import kotlin.jvm.internal.Reflection
import kotlin.reflect.KDeclarationContainer

/**
 * Prints the public faces of the built jar, Kotlin's and Java's. What is there is read from the classes; documentation and
 * the defaults of parameters, which classes do not have, from the sources. The arguments are the sources' folder, and the
 * kinds of errors to ask for.
 */
fun main(arguments: Array<String>) {
    val face = Face(classes(), Sources(File(arguments.first())), kinds = arguments.drop(1))
    face.kotlin()
    face.java()
}

/** The package's own classes, without the generated ones below it. */
private fun classes(): List<KDeclarationContainer> {
    val jar = File(Celper::class.java.protectionDomain.codeSource.location.toURI())
    return JarFile(jar).use { file ->
        file.entries().asSequence().map { it.name }
            .filter { Regex("""ai/celper/[^/$]+\.class""").matches(it) }
            .map { Class.forName(it.removeSuffix(".class").replace('/', '.'), false, Celper::class.java.classLoader) }
            .mapNotNull { type ->
                when (type.getAnnotation(Metadata::class.java)?.kind) {
                    1 -> type.kotlin
                    2 -> Reflection.getOrCreateKotlinPackage(type)
                    else -> null
                }
            }
            .toList()
    }
}
