import ai.celper.CallOptions
import ai.celper.CandidateStatus
import ai.celper.Celper
import ai.celper.CelperBuilder
import ai.celper.CelperException
import ai.celper.CelperFutures
import ai.celper.RateLimits
import com.google.gson.GsonBuilder
import java.util.concurrent.CompletableFuture
import kotlin.reflect.KCallable
import kotlin.reflect.KClass
import kotlin.reflect.KDeclarationContainer
import kotlin.reflect.KFunction
import kotlin.reflect.KParameter
import kotlin.reflect.KProperty1
import kotlin.reflect.KType
import kotlin.reflect.KVisibility
import kotlin.reflect.full.companionObject
import kotlin.reflect.full.companionObjectInstance
import kotlin.reflect.full.declaredMemberFunctions
import kotlin.reflect.full.declaredMemberProperties
import kotlin.reflect.full.declaredMembers
import kotlin.reflect.full.isSubclassOf
import kotlin.reflect.full.memberProperties
import kotlin.reflect.full.primaryConstructor
import kotlin.reflect.full.superclasses
import kotlin.reflect.full.valueParameters
import kotlin.reflect.full.withNullability
import kotlin.reflect.jvm.isAccessible
import kotlin.reflect.jvm.javaGetter
import kotlin.reflect.jvm.javaMethod
import kotlin.time.Duration
import kotlin.time.DurationUnit

/** The two faces of one jar, printed one item a line. */
class Face(private val classes: List<KDeclarationContainer>, private val sources: Sources, private val kinds: List<String>) {
    fun kotlin() {
        print("face", "kotlin")
        sources.undocumented.forEach { problem("$it has no documentation") }
        for (parameter in Celper::class.primaryConstructor!!.valueParameters) {
            val name = parameter.name!!
            option("option", name, parameter.type, sources.default("Celper($name)").value(), sources.doc("Celper($name)"))
        }
        val results = members { true }.mapNotNull { member ->
            if (member !is KFunction || member.valueParameters.isEmpty()) return@mapNotNull null
            if (!member.isSuspend) problem("${member.name} does not suspend")
            operation("Celper", member, member.returnType, member.valueParameters)
        }
        val printed = results(results) { true }
        val limits = RateLimits::class.primaryConstructor!!
        val without = limits.callBy(emptyMap())
        for (parameter in limits.valueParameters) {
            val name = parameter.name!!
            val default = if (parameter.isOptional) plain(property(RateLimits::class, name).get(without)) else null
            option("limit", name, parameter.type, default, sources.doc("RateLimits.$name"), parameter.isOptional)
        }
        errors { true }
        names(printed)
    }

    fun java() {
        print("face", "java")
        val builder = Celper.builder()
        for (setter in CelperBuilder::class.public<KFunction<*>>().filter { it.valueParameters.size == 1 }) {
            val default = plain(property(CelperBuilder::class, setter.name).get(builder))
            val doc = sources.doc("CelperBuilder.${setter.name}")
            option("option", setter.name, setter.valueParameters.single().type, default, doc)
        }
        val results = CelperFutures::class.public<KFunction<*>>().map { method ->
            val (options, own) = method.valueParameters.partition { it.type.classifier == CallOptions::class }
            if (method.returnType.classifier != CompletableFuture::class) problem("${method.name} gives no future")
            val result = operation("CelperFutures", method, method.returnType.arguments.single().type!!, own)
            for (with in CallOptions::class.public<KFunction<*>>().filter { options.isNotEmpty() && it.valueParameters.size == 1 }) {
                val name = with.name.removePrefix("with").replaceFirstChar(Char::lowercase)
                parameter(method.name, name, with.valueParameters.single().type, true, sources.doc("CallOptions.${with.name}"))
            }
            result
        }
        members(::javaSees).filter { it !is KFunction || it.valueParameters.isEmpty() }
        val printed = results(results, ::javaSees)
        for (parameter in RateLimits::class.companionObject!!.public<KFunction<*>>().single { it.name == "of" }.valueParameters) {
            val name = parameter.name!!
            option("limit", name, parameter.type, null, sources.doc("RateLimits.$name"), parameter.isOptional)
        }
        errors(::javaSees)
        names(printed)
    }

    /** The client's own members that are seen; those without parameters are printed. */
    private fun members(seen: (KCallable<*>) -> Boolean): List<KCallable<*>> {
        val all = Celper::class.public<KCallable<*>>() + Celper::class.companionObject!!.public<KCallable<*>>()
        return all.filter(seen).filter { it.name !in OF_ALL }.onEach {
            if (it !is KFunction || it.valueParameters.isEmpty()) print("member", it.name, "doc" to (sources.doc("Celper.${it.name}")))
        }
    }

    private fun operation(owner: String, method: KFunction<*>, result: KType, parameters: List<KParameter>): KClass<*> {
        print("operation", method.name, "type" to text(result), "doc" to sources.doc("$owner.${method.name}"))
        for (parameter in parameters) {
            val name = parameter.name!!
            val optional = parameter.isOptional || owner == "CelperFutures" && parameter.type.isMarkedNullable
            if (parameter.isOptional && !parameter.type.isMarkedNullable) problem("$name of ${method.name} has a default of its own")
            // What Java's functions refer to for it is Kotlin's.
            val doc = sources.doc("$owner.${method.name}($name)").ifEmpty { sources.doc("Celper.${method.name}($name)") }
            parameter(method.name, name, parameter.type, optional, doc)
        }
        return result.classifier as KClass<*>
    }

    private fun parameter(of: String, name: String, type: KType, optional: Boolean, doc: String) =
        print("parameter", name, "of" to of, "type" to text(type), "optional" to optional, "doc" to doc)

    private fun option(item: String, name: String, type: KType, default: Any?, doc: String, optional: Boolean = true) = print(
        item, name, "type" to text(type), "optional" to optional, "off" to (type.isMarkedNullable && default != null),
        "default" to default, "doc" to doc,
    )

    /** What the operations give, and the results that are in these. */
    private fun results(given: List<KClass<*>>, seen: (KCallable<*>) -> Boolean): Set<KClass<*>> {
        val todo = ArrayDeque(given.distinct())
        val done = mutableSetOf<KClass<*>>()
        while (todo.isNotEmpty()) {
            val result = todo.removeFirst()
            if (!done.add(result)) continue
            val name = result.simpleName!!
            print("result", name, "doc" to sources.doc(name))
            for (field in result.public<KProperty1<*, *>>().filter(seen)) {
                field("field", field, sources.doc("$name.${field.name}"), "of" to name)
                val type = field.returnType.classifier as KClass<*>
                if (type in classes && type != CandidateStatus::class) todo += type
            }
        }
        val statuses = CandidateStatus::class.sealedSubclasses
        for (status in statuses) {
            val name = (status.objectInstance as? CandidateStatus)?.value ?: status.simpleName!!.lowercase()
            val doc = sources.doc("CandidateStatus.${status.simpleName}")
            print("status", name, "case" to status.simpleName, "doc" to doc)
        }
        val known = CandidateStatus.known.map { it::class }.toSet()
        if (known != statuses.filter { it.objectInstance != null }.toSet()) problem("CandidateStatus.known is $known")
        for (status in CandidateStatus.known) {
            if (CandidateStatus.of(status.value) !== status) problem("CandidateStatus.of(\"$status\") is another one")
        }
        return done
    }

    private fun errors(seen: (KCallable<*>) -> Boolean) {
        for (type in classes.filterIsInstance<KClass<*>>().filter { it.isSubclassOf(CelperException::class) }) {
            val name = type.simpleName!!
            val parent = type.superclasses.singleOrNull { it in classes }?.simpleName
            print("error class", name, "parent" to parent, "doc" to sources.doc(name))
        }
        for (kind in kinds) {
            val error = exception(kind)
            if (error.kind != kind) problem("an error of the kind $kind calls itself ${error.kind}")
            print("error kind", kind, "class" to error::class.simpleName)
        }
        // Every throwable has a message; what ours is, the class's documentation says.
        val message = CelperException::class.memberProperties.single { it.name == "message" }
        val said = sources.doc("CelperException").lines().find { "[message]" in it }.orEmpty()
        field("error field", message, said)
        for (field in CelperException::class.public<KProperty1<*, *>>().filter(seen)) {
            field("error field", field, sources.doc("CelperException.${field.name}"))
        }
    }

    private fun field(item: String, field: KProperty1<*, *>, doc: String, vararg facts: Pair<String, Any?>) {
        val optional = field.returnType.isMarkedNullable
        print(item, field.name, "type" to text(field.returnType), "optional" to optional, "doc" to doc, *facts)
    }

    /** Whatever is public and is not part of something else. */
    private fun names(results: Set<KClass<*>>) {
        for (container in classes) {
            if (container !is KClass<*>) {
                container.public<KCallable<*>>().forEach { print("name", it.name, "doc" to sources.doc(it.name)) }
            } else if (
                container.visibility == KVisibility.PUBLIC && container !in DESCRIBED && container !in results &&
                !container.isSubclassOf(CelperException::class)
            ) {
                print("name", container.simpleName!!, "doc" to sources.doc(container.simpleName!!))
            }
        }
    }

    /** The exception that the package makes of an error of this kind. */
    private fun exception(kind: String): CelperException {
        val failure = Class.forName("ai.celper.internal.ffi.Failure").kotlin.primaryConstructor!!.apply { isAccessible = true }
        val values = failure.valueParameters.filter { !it.type.isMarkedNullable }.associateWith<KParameter, Any?> {
            when (it.type.classifier) {
                Boolean::class -> false
                UInt::class -> 0u
                else -> if (it.name == "kind") kind else ""
            }
        }
        val absent = failure.valueParameters.filter { it.type.isMarkedNullable }.associateWith { null }
        val of = CelperException::class.companionObject!!.declaredMemberFunctions.single { it.name == "of" }
        of.isAccessible = true
        return of.call(CelperException::class.companionObjectInstance, failure.callBy(values + absent)) as CelperException
    }

    /** What is written in the source, as JSON has it. */
    private fun String?.value(): Any? = when {
        this == null -> "none"
        this == "null" -> null
        this == "true" || this == "false" -> toBoolean()
        this == "RateLimits()" -> plain(RateLimits())
        endsWith(".seconds") -> removeSuffix(".seconds").toDouble()
        else -> toDoubleOrNull() ?: this
    }

    private fun plain(value: Any?): Any? = when (value) {
        is Duration -> value.toDouble(DurationUnit.SECONDS)
        is RateLimits -> RateLimits::class.public<KProperty1<RateLimits, *>>().associate { it.name to plain(it.get(value)) }
        else -> value
    }

    private fun text(type: KType): String = type.withNullability(false).toString().removePrefix("ai.celper.")

    private companion object {
        /** The classes whose members are printed; the last three are Java's. */
        val DESCRIBED = setOf(
            Celper::class, CandidateStatus::class, RateLimits::class, CelperFutures::class, CallOptions::class, CelperBuilder::class,
        )

        /** What every class has. */
        val OF_ALL = setOf("equals", "hashCode", "toString")

        val gson = GsonBuilder().serializeNulls().disableHtmlEscaping().create()

        fun print(item: String, name: String, vararg facts: Pair<String, Any?>) =
            println(gson.toJson(mapOf("item" to item, "name" to name, *facts)))

        fun problem(text: String) = print("problem", text)

        inline fun <reified M : KCallable<*>> KDeclarationContainer.public(): List<M> {
            val own = if (this is KClass<*>) declaredMembers else members
            return own.filterIsInstance<M>().filter { it.visibility == KVisibility.PUBLIC && it.name !in OF_ALL }
        }

        @Suppress("UNCHECKED_CAST")
        fun <T : Any> property(type: KClass<T>, name: String): KProperty1<T, *> =
            type.declaredMemberProperties.single { it.name == name }.apply { isAccessible = true }

        /** Whether Java code may use it: it does not suspend, and is not hidden from Java. */
        fun javaSees(member: KCallable<*>): Boolean {
            val method = (member as? KFunction)?.javaMethod ?: (member as? KProperty1<*, *>)?.javaGetter
            return !member.isSuspend && method?.isSynthetic == false
        }
    }
}
