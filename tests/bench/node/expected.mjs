// Checks, after every call of every client, that its result is what the server sent.

const REQUEST_ID = 'a1b2c3d4-e5f6-7890-abcd-ef1234567890';
const EXPIRES_AT = Date.UTC(2026, 3, 18, 8);

function expect(condition, value) {
  if (!condition) throw new Error(`the result is not what the server sent: ${JSON.stringify(value)}`);
}

export function checkState(state) {
  const { status, analysisViewed, interviewScore, requestId } = state;
  expect(interviewScore === 85 && status === 'interviewed' && analysisViewed && requestId === REQUEST_ID, state);
}

export function checkInvitation(invitation) {
  const { invited, sessionId, emailDelivery, expiresAt } = invitation;
  expect(invited && sessionId === 'sess_abc123' && emailDelivery === 'pending', invitation);
  expect(expiresAt.getTime() === EXPIRES_AT, invitation);
}

export function checkError(error) {
  expect(error.status === 404 && error.code === 'NOT_FOUND' && error.requestId === REQUEST_ID, error);
}

export function checkDecisions(selected, rejected) {
  expect(selected.status === 'selected' && rejected.status === 'rejected', [selected, rejected]);
}
