// The parser alone is wanted, for which the compiler has no newer entry yet.
@file:OptIn(K1Deprecation::class)

import org.jetbrains.kotlin.K1Deprecation
import org.jetbrains.kotlin.cli.common.messages.MessageCollector
import org.jetbrains.kotlin.cli.jvm.compiler.EnvironmentConfigFiles
import org.jetbrains.kotlin.cli.jvm.compiler.KotlinCoreEnvironment
import org.jetbrains.kotlin.com.intellij.openapi.util.Disposer
import org.jetbrains.kotlin.config.CommonConfigurationKeys
import org.jetbrains.kotlin.config.CompilerConfiguration
import org.jetbrains.kotlin.kdoc.psi.api.KDoc
import org.jetbrains.kotlin.lexer.KtTokens
import org.jetbrains.kotlin.psi.KtClassOrObject
import org.jetbrains.kotlin.psi.KtDeclaration
import org.jetbrains.kotlin.psi.KtNamedDeclaration
import org.jetbrains.kotlin.psi.KtNamedFunction
import org.jetbrains.kotlin.psi.KtObjectDeclaration
import org.jetbrains.kotlin.psi.KtParameter
import org.jetbrains.kotlin.psi.KtPsiFactory
import java.io.File

/** What only the package's sources have, by `Class`, `Class.member` and `Class.function(parameter)`. */
class Sources(folder: File) {
    private val texts = mutableMapOf<String, String>()
    private val defaults = mutableMapOf<String, String>()

    /** Public declarations without documentation. */
    val undocumented = mutableListOf<String>()

    init {
        val lifetime = Disposer.newDisposable()
        val configuration = CompilerConfiguration()
        configuration.put(CommonConfigurationKeys.MESSAGE_COLLECTOR_KEY, MessageCollector.NONE)
        val environment =
            KotlinCoreEnvironment.createForProduction(lifetime, configuration, EnvironmentConfigFiles.JVM_CONFIG_FILES)
        val factory = KtPsiFactory(environment.project)
        folder.walk().filter { it.extension == "kt" }.forEach { file ->
            factory.createFile(file.name, file.readText()).declarations.forEach { read(it, null) }
        }
        Disposer.dispose(lifetime)
    }

    fun doc(name: String): String = texts[name].orEmpty()

    fun default(parameter: String): String? = defaults[parameter]

    private fun read(declaration: KtDeclaration, within: String?) {
        // The package is compiled in the mode in which whatever is public says so, but for what it overrides.
        val overrides = declaration.hasModifier(KtTokens.OVERRIDE_KEYWORD)
        if (!overrides && !declaration.hasModifier(KtTokens.PUBLIC_KEYWORD)) return
        val companion = declaration is KtObjectDeclaration && declaration.isCompanion()
        val name = when {
            companion -> within
            else -> listOfNotNull(within, (declaration as? KtNamedDeclaration)?.name).joinToString(".")
        }
        val text = declaration.docComment?.let(::body).orEmpty()
        if (text.isNotBlank()) texts.putIfAbsent(name.orEmpty(), text)
        if (text.isBlank() && !companion && !overrides) undocumented += name.orEmpty()
        val tags = declaration.docComment?.getAllSections().orEmpty().flatMap { it.findTagsByName("param") }
        for (tag in tags) tag.getSubjectName()?.let { texts["$name($it)"] = tag.getContent() }
        val parameters = when (declaration) {
            is KtNamedFunction -> declaration.valueParameters
            is KtClassOrObject -> declaration.primaryConstructorParameters
            else -> emptyList()
        }
        for (parameter in parameters) read(parameter, name.orEmpty())
        if (declaration is KtClassOrObject) declaration.declarations.forEach { read(it, name) }
    }

    private fun read(parameter: KtParameter, of: String) {
        parameter.defaultValue?.let { defaults["$of(${parameter.name})"] = it.text }
        if (parameter.hasValOrVar()) read(parameter as KtDeclaration, of)
    }

    private fun body(comment: KDoc): String = comment.getDefaultSection().getContent()
}
