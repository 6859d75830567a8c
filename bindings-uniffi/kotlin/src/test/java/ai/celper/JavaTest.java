package ai.celper;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.celper.sandbox.Act;
import ai.celper.sandbox.Fault;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.BiConsumer;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class JavaTest {
    private static CelperBuilder builder() {
        return Celper.builder().baseUrl(Sandbox.INSTANCE.getBaseUrl()).timeout(Duration.ofSeconds(20)).rateLimits(null);
    }

    private static Celper client() {
        return builder().apiKey(Sandbox.INSTANCE.getApiKey()).build();
    }

    @Test
    void theFourOperations() {
        try (Celper client = client()) {
            CelperFutures celper = client.async();
            String invited = Sandbox.INSTANCE.candidate();
            CallOptions options = new CallOptions()
                    .withIdempotencyKey("java-" + invited)
                    .withTimeout(Duration.ofSeconds(5))
                    .withMaxRetries(0);
            assertTrue(celper.inviteCandidate(invited, "pos_1", "Hello", null, options).join().getInvited());
            String ready = Sandbox.INSTANCE.candidate("interviewed", true);
            CandidateState state = celper.getCandidateStatus(ready, "pos_1").join();
            assertEquals("interviewed", state.getStatus().getValue());
            assertEquals(CandidateStatus.Selected.INSTANCE, celper.selectCandidate(ready, "pos_1").join().getStatus());
            String other = Sandbox.INSTANCE.candidate("interviewed", true);
            assertEquals("rejected", celper.rejectCandidate(other, "pos_1").join().getStatus().getValue());
        }
    }

    @Test
    void failuresAreTyped() {
        try (Celper client = client()) {
            CompletionException thrown =
                    assertThrows(CompletionException.class, () -> client.async().getCandidateStatus("nobody", "pos_1").join());
            NotFoundException missing = assertInstanceOf(NotFoundException.class, thrown.getCause());
            assertEquals(404, missing.getStatus());
        }
        assertThrows(InvalidArgumentException.class, () -> Celper.builder().apiKey("x").timeout(Duration.ZERO).build());
        assertThrows(
                InvalidArgumentException.class,
                () -> Celper.builder().apiKey("x").rateLimits(RateLimits.of(1, 1, 0, Duration.ofSeconds(60))).build());
    }

    @Test
    void aReadWithAnIdempotencyKeyIsRejected() {
        String candidate = Sandbox.INSTANCE.candidate();
        try (Celper client = client()) {
            CallOptions options = new CallOptions().withIdempotencyKey("k");
            CompletionException thrown =
                    assertThrows(CompletionException.class, () -> client.async().getCandidateStatus(candidate, "pos_1", options).join());
            assertInstanceOf(InvalidArgumentException.class, thrown.getCause());
            assertTrue(Sandbox.INSTANCE.requests(candidate).isEmpty());
        }
    }

    @Test
    void cancellingAFutureDropsItsRequest() {
        String candidate = Sandbox.INSTANCE.candidate();
        Sandbox.INSTANCE.fault(candidate, Fault.delay(Duration.ofMinutes(10)).act(Act.AFTER));
        try (Celper client = client()) {
            CompletableFuture<Invitation> call = client.async().inviteCandidate(candidate, "pos_1");
            Sandbox.INSTANCE.eventually("the request arrives", () -> !Sandbox.INSTANCE.requests(candidate).isEmpty());
            assertTrue(call.cancel(true));
            Sandbox.INSTANCE.eventually(
                    "the client closes its connection",
                    () -> Sandbox.INSTANCE.requests(candidate).get(0).getClientClosed());
            assertEquals(1, Sandbox.INSTANCE.requests(candidate).size());
        }
    }

    @Test
    void aKeyProviderCanBeAFuture() {
        KeyProvider provider = KeyProvider.ofFuture(() -> CompletableFuture.supplyAsync(Sandbox.INSTANCE::getApiKey));
        try (Celper client = builder().keyProvider(provider).build()) {
            assertEquals("new", client.async().getCandidateStatus(Sandbox.INSTANCE.candidate(), "pos_1").join().getStatus().getValue());
        }
    }

    @Test
    void aKeyProviderThatReturnsNullIsAnError() {
        for (KeyProvider provider : List.of(
                KeyProvider.ofFuture(() -> CompletableFuture.completedFuture(null)), KeyProvider.ofFuture(() -> null))) {
            try (Celper client = builder().keyProvider(provider).build()) {
                CompletionException thrown =
                        assertThrows(CompletionException.class, () -> client.async().getCandidateStatus("c", "pos_1").join());
                assertInstanceOf(AuthenticationException.class, thrown.getCause());
            }
        }
    }

    @Test
    void httpIsAllowedToListedPrivateHosts() {
        CelperBuilder builder = Celper.builder().apiKey("x").baseUrl("http://sandbox:8787");
        assertThrows(InvalidArgumentException.class, builder::build);
        try (Celper client = builder.allowHttpHosts(List.of("sandbox")).build()) {
            assertEquals("http://sandbox:8787", client.getBaseUrl());
        }
    }

    @Test
    void webhooks() {
        byte[] body = "{\"event\": \"analysis_ready\", \"webhookId\": \"w\", \"companyId\": \"c\", \"timestamp\": \"2026-01-15T10:30:00Z\", \"data\": {}}"
                .getBytes(StandardCharsets.UTF_8);
        Instant now = Instant.ofEpochSecond(1_768_473_000);
        Map<String, String> headers = Webhooks.sign(body, "whsec_1", now);
        Duration tolerance = Duration.ofSeconds(10);
        assertInstanceOf(
                WebhookEvent.AnalysisReady.class, Webhooks.unwrap(body, headers, List.of("whsec_1"), tolerance, now.plusSeconds(10)));
        WebhookException stale = assertThrows(
                WebhookException.class, () -> Webhooks.verify(body, headers, List.of("whsec_1"), tolerance, now.plusSeconds(11)));
        assertEquals("stale", stale.getReason());
        assertEquals(11, stale.getClockDifferenceSeconds());
    }

    @Test
    void durationsOutOfRangeAreRejected() {
        for (Duration duration : List.of(Duration.ofSeconds(Long.MIN_VALUE), Duration.ofNanos(-1))) {
            assertThrows(InvalidArgumentException.class, () -> Celper.builder().apiKey("x").timeout(duration).build());
        }
        // Longer than any clock: as without a timeout.
        Celper.builder().apiKey("x").timeout(Duration.ofSeconds(Long.MAX_VALUE)).build().close();
    }

    @Test
    void blockingCallsReturnOrThrowInTheCallersThread() {
        try (Celper client = client()) {
            CelperBlocking celper = client.blocking();
            String candidate = Sandbox.INSTANCE.candidate();
            assertTrue(celper.inviteCandidate(candidate, "pos_1", "Hello", null).getInvited());
            String ready = Sandbox.INSTANCE.candidate("interviewed", true);
            assertEquals("interviewed", celper.getCandidateStatus(ready, "pos_1").getStatus().getValue());
            assertEquals(CandidateStatus.Selected.INSTANCE, celper.selectCandidate(ready, "pos_1").getStatus());
            String other = Sandbox.INSTANCE.candidate("interviewed", true);
            assertEquals(CandidateStatus.Rejected.INSTANCE, celper.rejectCandidate(other, "pos_1").getStatus());
            NotFoundException missing =
                    assertThrows(NotFoundException.class, () -> celper.getCandidateStatus("nobody", "pos_1"));
            assertTrue(List.of(missing.getStackTrace()).stream().anyMatch(frame -> frame.getClassName().contains("JavaTest")));
            CallOptions options = new CallOptions().withIdempotencyKey("k");
            assertThrows(InvalidArgumentException.class, () -> celper.getCandidateStatus(ready, "pos_1", options));
        }
    }

    @Test
    void interruptingAThreadCancelsItsBlockingCall() throws InterruptedException {
        assertInterruptible((client, candidate) -> client.blocking().inviteCandidate(candidate, "pos_1"));
    }

    @Test
    void aBatchReadsItsRequestsAndGivesItsItemsOnOneThread() {
        List<String> candidates = Stream.generate(() -> Sandbox.INSTANCE.candidate()).limit(40).collect(Collectors.toList());
        Thread caller = Thread.currentThread();
        Stream<CandidateRequest> requests = candidates.stream().map(candidate -> {
            assertEquals(caller, Thread.currentThread());
            return new InviteRequest(candidate, "pos_1", "Hello", null, new CallOptions().withIdempotencyKey("k-" + candidate));
        });
        try (Celper client = client();
                BlockingBatch batch = client.blocking().batch(requests::iterator, new BatchOptions().withTotal(40))) {
            for (BatchItem item : batch) {
                assertTrue(((Invitation) item.getResult()).getInvited());
                assertEquals("k-" + item.getRequest().getCandidateId(), item.getIdempotencyKey());
            }
            assertEquals(40, batch.getProgress().getSucceeded());
            assertEquals(Duration.ZERO, batch.getProgress().getEta());
            assertThrows(IllegalStateException.class, batch::iterator);
        }
    }

    @Test
    void closingABatchStartsNothingMoreAndWaitsForWhatIsUnderWay(@TempDir Path folder) {
        String slow = Sandbox.INSTANCE.slowCandidate(1);
        String fast = Sandbox.INSTANCE.candidate();
        List<InviteRequest> requests = List.of(new InviteRequest(slow, "pos_1"), new InviteRequest(fast, "pos_1"));
        BatchOptions options = new BatchOptions().withBatchId("java").withJournal(folder.resolve("j.jsonl").toString());
        try (Celper client = client()) {
            try (Stream<BatchItem> items = client.blocking().batch(requests, options).stream()) {
                assertEquals(fast, items.findFirst().orElseThrow().getRequest().getCandidateId());
            }
            try (BlockingBatch batch = client.blocking().batch(requests, options)) {
                batch.forEach(item -> assertTrue(item.getResumed(), item.toString()));
            }
            assertEquals(1, Sandbox.INSTANCE.requests(slow).size());
        }
    }

    @Test
    void whatTheSourceOfABatchThrowsFollowsTheLastItem() {
        Iterator<StatusRequest> one = List.of(new StatusRequest(Sandbox.INSTANCE.candidate(), "pos_1")).iterator();
        Iterable<CandidateRequest> requests = () -> new Iterator<>() {
            @Override
            public boolean hasNext() {
                return true;
            }

            @Override
            public CandidateRequest next() {
                return one.next();
            }
        };
        try (Celper client = client(); BlockingBatch batch = client.blocking().batch(requests)) {
            Iterator<BatchItem> items = batch.iterator();
            assertInstanceOf(CandidateState.class, items.next().getResult());
            assertThrows(NoSuchElementException.class, items::hasNext);
        }
    }

    @Test
    void interruptingAThreadCancelsItsBatch() throws InterruptedException {
        assertInterruptible((client, candidate) -> {
            try (BlockingBatch batch = client.blocking().batch(List.of(new InviteRequest(candidate, "pos_1")))) {
                batch.forEach(item -> {});
            }
        });
    }

    @Test
    void theReadsOfWaitsAndWatchesAreEventsOnTheThreadThatWaits() throws InterruptedException {
        String candidate = Sandbox.INSTANCE.candidate();
        Queue<String> events = new ConcurrentLinkedQueue<>();
        Consumer<CallEvent> onEvent = event -> events.add(Thread.currentThread().getName() + " " + event.getOperation());
        try (Celper client = builder().apiKey(Sandbox.INSTANCE.getApiKey()).onEvent(onEvent).build()) {
            Thread caller = new Thread(() -> {
                client.blocking().waitForStatus(candidate, "pos_1", Set.of(CandidateStatus.New.INSTANCE));
                try (BlockingWatch watch = client.blocking().watchCandidates(List.of(candidate), "pos_1")) {
                    watch.iterator().next();
                }
            }, "caller");
            caller.start();
            caller.join();
        }
        assertEquals(List.of("caller status", "caller status"), List.copyOf(events));
    }

    @Test
    void interruptingAThreadEndsItsWait() throws InterruptedException {
        assertInterruptible((client, candidate) ->
                client.blocking().waitForStatus(candidate, "pos_1", Set.of(CandidateStatus.Selected.INSTANCE)));
    }

    /** A thread whose work is interrupted gets a CancellationException and stays interrupted, and its request is dropped. */
    private static void assertInterruptible(BiConsumer<Celper, String> work) throws InterruptedException {
        String candidate = Sandbox.INSTANCE.slowCandidate(600);
        CompletableFuture<Boolean> interrupted = new CompletableFuture<>();
        try (Celper client = client()) {
            Thread caller = new Thread(() -> {
                try {
                    work.accept(client, candidate);
                } catch (CancellationException e) {
                    interrupted.complete(Thread.currentThread().isInterrupted());
                }
            });
            caller.start();
            Sandbox.INSTANCE.eventually("the request arrives", () -> Sandbox.INSTANCE.pendingRequests(candidate) == 1);
            caller.interrupt();
            assertTrue(interrupted.join());
            caller.join();
        }
        Sandbox.INSTANCE.assertCancelled(candidate);
    }

    @Test
    void nullInACollectionIsNamed() {
        try (Celper client = client()) {
            List<String> ids = Arrays.asList("cand_1", null);
            NullPointerException thrown =
                    assertThrows(NullPointerException.class, () -> client.blocking().watchCandidates(ids, "pos_1"));
            assertEquals("candidateIds contains null", thrown.getMessage());
        }
    }

    @Test
    void nullIsTheDefaultOfAnOption() {
        try (Celper client = builder()
                .apiKey(null).keyProvider(KeyProvider.ofFuture(() -> CompletableFuture.completedFuture("k")))
                .proxy(null).caCertificates(null).appInfo(null).timeout(null).build()) {
            assertEquals(Sandbox.INSTANCE.getBaseUrl(), client.getBaseUrl());
        }
        assertEquals(Duration.ofMillis(1500), RateLimits.of(1, 2, 3, Duration.ofMillis(1500)).getWindow());
    }

    /** What a test of an application passes to it instead of a client. */
    private static final class Fake implements CelperBlocking {
        @Override
        public CandidateState getCandidateStatus(String candidateId, String jobPositionId, CallOptions options) {
            return new CandidateState(CandidateStatus.of("on_hold"), true);
        }

        @Override
        public Invitation inviteCandidate(
                String candidateId, String jobPositionId, String emailSubject, String emailBody, CallOptions options) {
            throw CelperException.of("not_found", "no such candidate", "invite", 404);
        }

        @Override
        public Decision selectCandidate(String candidateId, String jobPositionId, CallOptions options) {
            return new Decision(CandidateStatus.of("selected"));
        }

        @Override
        public Decision rejectCandidate(String candidateId, String jobPositionId, CallOptions options) {
            return new Decision(CandidateStatus.of("rejected"));
        }

        @Override
        public BlockingBatch batch(Iterable<? extends CandidateRequest> requests, BatchOptions options) {
            throw new UnsupportedOperationException();
        }
    }

    @Test
    void aFakeTakesTheBlockingClientsPlace() {
        CelperBlocking fake = new Fake();
        assertEquals("on_hold", fake.getCandidateStatus("c", "p").getStatus().getValue());
        assertEquals(404, assertThrows(NotFoundException.class, () -> fake.inviteCandidate("c", "p")).getStatus());
    }
}
