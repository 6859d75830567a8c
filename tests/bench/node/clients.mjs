// The clients: celper, and the same calls over other HTTP clients. None limits the number of concurrent calls.

import { API_KEY, POSITION, typedClient } from './typed.mjs';

const PACKAGE = new URL('../../../bindings-node/dist/index.mjs', import.meta.url);
// Clients with the same key share their pacing, so the paced client has another key.
const OTHER_KEY = 'celp_11111111111111111111111111111111';

async function celper(baseUrl, apiKey, rateLimits) {
  const { Celper, NotFoundError } = await import(PACKAGE);
  // The log of so many requests a minute would not fit into the machine's file.
  const client = new Celper({ apiKey, baseUrl, rateLimits, rateLimitStore: 'process' });
  return {
    NotFoundError,
    status: (candidate) => client.getCandidateStatus(candidate, { jobPositionId: POSITION }),
    invite: (candidate, emailBody) => client.inviteCandidate(candidate, { jobPositionId: POSITION, emailBody }),
    select: (candidate) => client.selectCandidate(candidate, { jobPositionId: POSITION }),
    reject: (candidate) => client.rejectCandidate(candidate, { jobPositionId: POSITION }),
  };
}

/** A client with pacing and limits that are never reached. */
export const pacedCelper = (baseUrl) =>
  celper(baseUrl, OTHER_KEY, { reads: 100_000_000, actions: 100_000_000, total: 200_000_000 });

export const CLIENTS = {
  celper: (baseUrl) => celper(baseUrl, API_KEY, false),

  async undici(baseUrl) {
    const { request } = await import('undici');
    return typedClient(async (method, path, headers, body) => {
      const response = await request(baseUrl + path, { method, headers, body });
      return [response.statusCode, await response.body.json()];
    });
  },

  async fetch(baseUrl) {
    return typedClient(async (method, path, headers, body) => {
      const response = await fetch(baseUrl + path, { method, headers, body });
      return [response.status, await response.json()];
    });
  },

  async axios(baseUrl) {
    const { default: axios } = await import('axios');
    const client = axios.create({ baseURL: baseUrl, proxy: false, validateStatus: () => true });
    return typedClient(async (method, url, headers, data) => {
      const response = await client.request({ method, url, headers, data });
      return [response.status, response.data];
    });
  },

  async got(baseUrl) {
    const { got } = await import('got');
    const client = got.extend({ prefixUrl: baseUrl, throwHttpErrors: false, responseType: 'json' });
    return typedClient(async (method, path, headers, body) => {
      const response = await client(path.slice(1), { method, headers, body });
      return [response.statusCode, response.body];
    });
  },
};
