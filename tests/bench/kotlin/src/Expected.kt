import java.time.Instant

// Checks, after every call of every client, that its result is what the server sent.

private const val REQUEST_ID = "a1b2c3d4-e5f6-7890-abcd-ef1234567890"
private val EXPIRES_AT = Instant.parse("2026-04-18T08:00:00Z")

fun checkState(state: State) {
    check(state.status == "interviewed" && state.analysisViewed && state.interviewScore == 85.0) { state }
    check(state.requestId == REQUEST_ID) { state }
}

fun checkInvitation(invitation: Invitation) {
    check(invitation.invited && invitation.sessionId == "sess_abc123" && invitation.emailDelivery == "pending") { invitation }
    check(invitation.expiresAt == EXPIRES_AT) { invitation }
}

fun checkError(error: ErrorFields) {
    check(error.status == 404 && error.code == "NOT_FOUND" && error.requestId == REQUEST_ID) { error }
}

fun checkDecisions(selected: String, rejected: String) {
    check(selected == "selected" && rejected == "rejected") { "$selected, $rejected" }
}
