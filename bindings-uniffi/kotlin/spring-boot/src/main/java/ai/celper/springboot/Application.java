package ai.celper.springboot;

import ai.celper.Celper;
import ai.celper.InvalidStatusException;
import ai.celper.KeyProvider;
import java.util.concurrent.CompletableFuture;
import kotlin.KotlinVersion;
import org.springframework.boot.CommandLineRunner;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

/** Makes each kind of call, and prints what it got. */
@SpringBootApplication
public class Application {
    public static void main(String[] arguments) {
        SpringApplication.run(Application.class, arguments);
    }

    @Bean
    Celper celper() {
        String key = System.getenv("CELPER_API_KEY");
        return Celper.builder()
                .keyProvider(KeyProvider.ofFuture(() -> CompletableFuture.supplyAsync(() -> key)))
                .build();
    }

    @Bean
    CommandLineRunner calls(Celper celper) {
        return arguments -> {
            System.out.println("kotlin " + KotlinVersion.CURRENT);
            System.out.println("status " + celper.blocking().getCandidateStatus("cand_1", "pos_1").getStatus());
            System.out.println("invited " + celper.async().inviteCandidate("cand_1", "pos_1").join().getInvited());
            try {
                celper.blocking().inviteCandidate("cand_1", "pos_1");
            } catch (InvalidStatusException e) {
                System.out.println("refused " + e.getCode());
            }
        };
    }
}
