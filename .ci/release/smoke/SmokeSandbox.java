import ai.celper.sandbox.Sandbox;

/** Starts the sandbox of this platform, with all platforms' jars on the class path. */
final class SmokeSandbox {
    public static void main(String[] arguments) {
        try (Sandbox sandbox = Sandbox.start()) {
            System.out.println("the sandbox: " + sandbox.createCandidate());
        }
    }
}
