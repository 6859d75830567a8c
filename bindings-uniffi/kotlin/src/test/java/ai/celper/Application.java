package ai.celper;

import java.util.concurrent.CompletableFuture;

/** A program that uses the package, in class loaders and processes of the tests. */
public final class Application {
    private static Celper client;

    private Application() {}

    public static void open(String baseUrl, String key) {
        client = Celper.builder()
                .baseUrl(baseUrl)
                .keyProvider(KeyProvider.ofFuture(() -> CompletableFuture.supplyAsync(() -> key)))
                .rateLimits(null)
                .build();
    }

    /** The candidate's status, or the kind of the call's error. */
    public static String status(String candidate) {
        try {
            return client.blocking().getCandidateStatus(candidate, "pos_1").getStatus().getValue();
        } catch (CelperException e) {
            return e.getKind();
        }
    }

    public static void main(String[] arguments) {
        open(System.getenv("CELPER_BASE_URL"), System.getenv("CELPER_API_KEY"));
        System.out.println(status(arguments[0]));
        try (Celper other = Celper.fromEnvironment()) {
            System.out.println(other.blocking().getCandidateStatus(arguments[0], "pos_1").getStatus());
            System.out.println(other.async().getCandidateStatus(arguments[0], "pos_1").join().getStatus());
        }
    }
}
