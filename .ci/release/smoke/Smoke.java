import ai.celper.Celper;
import ai.celper.ConnectionFailedException;
import java.util.concurrent.CompletionException;

/** Makes a call to a closed port, with the jar on the class path. */
final class Smoke {
    public static void main(String[] arguments) {
        var builder = Celper.builder().apiKey("celp_0123456789abcdef0123456789abcdef");
        try (Celper client = builder.baseUrl("http://127.0.0.1:9").maxRetries(0).build()) {
            client.async().getCandidateStatus("cand", "pos").join();
            throw new AssertionError("there is a server at 127.0.0.1:9");
        } catch (CompletionException e) {
            if (!(e.getCause() instanceof ConnectionFailedException)) throw e;
            System.out.println("Java: " + e.getCause().getMessage());
        }
    }
}
