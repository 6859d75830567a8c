// A typed client over a plain HTTP client: sends the requests and parses the responses into typed values.

import { randomUUID } from 'node:crypto';

export const API_KEY = 'celp_0123456789abcdef0123456789abcdef';
export const POSITION = 'pos_abc123';
export const HEADERS = { 'x-api-key': API_KEY, accept: 'application/json' };

class State {
  constructor({ status, analysisViewed, interviewScore }, requestId) {
    this.status = status;
    this.analysisViewed = analysisViewed;
    this.interviewScore = interviewScore ?? null;
    this.requestId = requestId;
  }
}

class Invitation {
  constructor({ invited, sessionId, emailDelivery, expiresAt }, requestId) {
    this.invited = invited;
    this.sessionId = sessionId;
    this.emailDelivery = emailDelivery;
    this.expiresAt = new Date(expiresAt);
    this.requestId = requestId;
  }
}

class Decision {
  constructor({ status }, requestId) {
    this.status = status;
    this.requestId = requestId;
  }
}

class ApiError extends Error {
  name = 'ApiError';

  constructor(status, { error, message, requestId }) {
    super(`${status} ${error}: ${message} (request ${requestId})`);
    this.status = status;
    this.code = error;
    this.requestId = requestId;
  }
}

export class NotFoundError extends ApiError {
  name = 'NotFoundError';
}

function read(Result, status, envelope) {
  if (status === 404) throw new NotFoundError(status, envelope);
  if (status !== 200) throw new ApiError(status, envelope);
  if (envelope.success !== true) throw new TypeError('the response is not a success');
  return new Result(envelope.data, envelope.requestId);
}

/** Implements the four calls with a function that sends a request and returns the response's status and JSON. */
export function typedClient(send) {
  const action = async (Result, candidate, operation, fields) => {
    const body = JSON.stringify({ jobPositionId: POSITION, ...fields });
    const headers = { ...HEADERS, 'content-type': 'application/json', 'idempotency-key': randomUUID() };
    const [status, envelope] = await send('POST', `/v1/candidates/${candidate}/${operation}`, headers, body);
    return read(Result, status, envelope);
  };
  return {
    NotFoundError,
    async status(candidate) {
      const path = `/v1/candidates/${candidate}/status?jobPositionId=${POSITION}`;
      const [status, envelope] = await send('GET', path, HEADERS);
      return read(State, status, envelope);
    },
    invite: (candidate, emailBody) => action(Invitation, candidate, 'invite', { emailBody }),
    select: (candidate) => action(Decision, candidate, 'select'),
    reject: (candidate) => action(Decision, candidate, 'reject'),
  };
}
