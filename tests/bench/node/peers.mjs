// The clients: celper, and four calls by hand over each HTTP client. None of them limits the calls in flight.

import { API_KEY, byHand, POSITION } from './typed.mjs';

const PACKAGE = new URL('../../../bindings-node/dist/index.mjs', import.meta.url);
// Clients with the same key share their pacing: the paced one has a key of its own.
const OTHER_KEY = 'celp_11111111111111111111111111111111';

async function celper(baseUrl, apiKey, rateLimits) {
  const { Celper, NotFoundError } = await import(PACKAGE);
  const client = new Celper({ apiKey, baseUrl, rateLimits });
  return {
    NotFoundError,
    status: (candidate) => client.getCandidateStatus(candidate, { jobPositionId: POSITION }),
    invite: (candidate, emailBody) => client.inviteCandidate(candidate, { jobPositionId: POSITION, emailBody }),
    select: (candidate) => client.selectCandidate(candidate, { jobPositionId: POSITION }),
    reject: (candidate) => client.rejectCandidate(candidate, { jobPositionId: POSITION }),
  };
}

/** A client whose windows never make it wait. */
export const pacedCelper = (baseUrl) =>
  celper(baseUrl, OTHER_KEY, { reads: 100_000_000, actions: 100_000_000, total: 200_000_000 });

export const CLIENTS = {
  celper: (baseUrl) => celper(baseUrl, API_KEY, false),

  async undici(baseUrl) {
    const { request } = await import('undici');
    return byHand(async (method, path, headers, body) => {
      const answer = await request(baseUrl + path, { method, headers, body });
      return [answer.statusCode, await answer.body.json()];
    });
  },

  async fetch(baseUrl) {
    return byHand(async (method, path, headers, body) => {
      const answer = await fetch(baseUrl + path, { method, headers, body });
      return [answer.status, await answer.json()];
    });
  },

  async axios(baseUrl) {
    const { default: axios } = await import('axios');
    const client = axios.create({ baseURL: baseUrl, proxy: false, validateStatus: () => true });
    return byHand(async (method, url, headers, data) => {
      const answer = await client.request({ method, url, headers, data });
      return [answer.status, answer.data];
    });
  },

  async got(baseUrl) {
    const { got } = await import('got');
    const client = got.extend({ prefixUrl: baseUrl, throwHttpErrors: false, responseType: 'json' });
    return byHand(async (method, path, headers, body) => {
      const answer = await client(path.slice(1), { method, headers, body });
      return [answer.statusCode, answer.body];
    });
  },
};
