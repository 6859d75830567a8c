// A process that keeps to the limits with bottleneck or rate-limiter-flexible, as their documentation recommends, over fetch.

import { createRequire } from 'node:module';

const require = createRequire(new URL('../node/package.json', import.meta.url));
const options = JSON.parse(process.env.FLEET);
const { hostname: host, port } = new URL(process.env.CELPER_RATE_LIMIT_STORE);
const READS = 40;

async function call() {
  const url = `${process.env.CELPER_BASE_URL}/v1/candidates/${options.candidate}/status?jobPositionId=pos_1`;
  const response = await fetch(url, { headers: { 'X-API-Key': process.env.CELPER_API_KEY } });
  await response.json();
  if (response.status !== 200 && response.status !== 429) throw new Error(`status ${response.status}`);
}

const LIMITERS = {
  bottleneck() {
    const Bottleneck = require('bottleneck');
    const limiter = new Bottleneck({
      id: 'celper',
      datastore: 'ioredis',
      clientOptions: { host, port: Number(port) },
      Redis: require('ioredis'),
      reservoir: READS,
      reservoirRefreshAmount: READS,
      reservoirRefreshInterval: options.window * 1_000,
    });
    return () => limiter.schedule(call);
  },

  'rate-limiter-flexible'() {
    const { RateLimiterQueue, RateLimiterRedis } = require('rate-limiter-flexible');
    const Redis = require('ioredis');
    const storeClient = new Redis({ host, port: Number(port), enableOfflineQueue: true });
    const limiter = new RateLimiterRedis({ storeClient, keyPrefix: 'celper', points: READS, duration: options.window });
    const queue = new RateLimiterQueue(limiter);
    return async () => {
      await queue.removeTokens(1);
      await call();
    };
  },
};

const limited = LIMITERS[process.argv[2]]();
async function calls() {
  for (;;) await limited();
}
await Promise.all(Array.from({ length: options.in_flight }, calls));
