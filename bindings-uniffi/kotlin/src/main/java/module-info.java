/** The client of the Celper AI Candidate Actions API. */
module ai.celper {
    requires transitive kotlin.stdlib;
    requires transitive kotlinx.coroutines.core;
    requires com.sun.jna;
    // Used only where there is no System.Logger.
    requires static java.logging;
    // Used only where a program has it.
    requires static io.opentelemetry.api;
    requires static io.opentelemetry.context;

    exports ai.celper;
    // JNA looks up its callbacks and native methods there.
    opens ai.celper.internal.ffi to com.sun.jna;
}
