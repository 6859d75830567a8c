import ai.celper.Celper
import ai.celper.NotFoundException
import ai.celper.RateLimits

class CelperCalls(baseUrl: String, paced: Boolean) : Calls {
    // Clients with the same key share their pacing, so the paced client has another key.
    private val client = Celper(
        apiKey = if (paced) OTHER_KEY else API_KEY,
        baseUrl = baseUrl,
        rateLimits = if (paced) RateLimits(reads = 100_000_000, actions = 100_000_000, total = 200_000_000) else null,
        rateLimitStore = "process",
    )

    override suspend fun status(candidate: String): State =
        with(client.getCandidateStatus(candidate, jobPositionId = POSITION)) {
            State(status.value, analysisViewed, interviewScore, requestId)
        }

    override fun statusBlocking(candidate: String): State =
        with(client.blocking().getCandidateStatus(candidate, POSITION)) {
            State(status.value, analysisViewed, interviewScore, requestId)
        }

    override suspend fun invite(candidate: String, emailBody: String): Invitation =
        with(client.inviteCandidate(candidate, jobPositionId = POSITION, emailBody = emailBody)) {
            Invitation(invited, sessionId, emailDelivery, expiresAt, requestId)
        }

    override suspend fun select(candidate: String): String =
        client.selectCandidate(candidate, jobPositionId = POSITION).status.value

    override suspend fun reject(candidate: String): String =
        client.rejectCandidate(candidate, jobPositionId = POSITION).status.value

    override suspend fun missing(candidate: String): ErrorFields =
        try {
            error(status(candidate))
        } catch (e: NotFoundException) {
            ErrorFields(e.status, e.code, e.requestId)
        }

    override fun close() = client.close()
}
