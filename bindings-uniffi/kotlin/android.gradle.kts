// The build.gradle.kts of a library module `celper` that builds the AAR and publishes it to a Maven repository in the folder
// named by the property `celper.repository`. No test in this repository runs it. Before it, run
// `generate.sh kotlin GLUE LIBRARIES` for the glue code, and `android-libraries.sh celper/src/main/jniLibs`.
plugins {
    id("com.android.library") version "8.13.0"
    id("org.jetbrains.kotlin.android") version "2.2.21"
    `maven-publish`
}

val repository = "https://github.com/OWNER/NAME"
val celper = rootProject.file("../../bindings-uniffi/kotlin")

android {
    namespace = "ai.celper"
    compileSdk = 36
    defaultConfig {
        // The first API level with java.time.
        minSdk = 26
        consumerProguardFiles("$celper/src/main/keep-rules/celper.pro")
    }
    sourceSets["main"].java.srcDirs("$celper/src/main/kotlin", "$celper/target/generated-sources/uniffi")
    publishing {
        singleVariant("release") {
            withSourcesJar()
            withJavadocJar()
        }
    }
}

kotlin {
    explicitApi()
    jvmToolchain(17)
    compilerOptions {
        // As pom.xml does: for apps with older versions of Kotlin and coroutines.
        languageVersion = org.jetbrains.kotlin.gradle.dsl.KotlinVersion.KOTLIN_2_0
        apiVersion = org.jetbrains.kotlin.gradle.dsl.KotlinVersion.KOTLIN_1_9
        freeCompilerArgs.addAll("-Xjvm-default=all", "-Xsuppress-version-warnings")
    }
}

dependencies {
    implementation("net.java.dev.jna:jna:5.18.1@aar")
    api("org.jetbrains.kotlinx:kotlinx-coroutines-android:1.8.1")
    // Optional, as in pom.xml.
    compileOnly("io.opentelemetry:opentelemetry-api:1.59.0")
}

publishing {
    publications.register<MavenPublication>("release") {
        groupId = "ai.celper"
        artifactId = "celper-android"
        version = providers.gradleProperty("celper.version").get()
        afterEvaluate { from(components["release"]) }
        pom {
            name = "Celper SDK for Android"
            description = "Client for the Celper AI Candidate Actions API"
            url = repository
            licenses {
                license {
                    name = "MIT"
                    url = "https://opensource.org/license/mit"
                }
            }
            developers {
                developer {
                    name = "The Celper SDK maintainers"
                    url = repository
                }
            }
            scm {
                connection = "scm:git:$repository.git"
                developerConnection = "scm:git:$repository.git"
                url = repository
            }
            issueManagement { url = "$repository/issues" }
        }
    }
    repositories.maven {
        name = "dist"
        url = uri(providers.gradleProperty("celper.repository").get())
    }
}
