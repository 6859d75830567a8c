// Invites candidates with a batch.

import { once } from 'node:events';
import { Celper } from '../../../bindings-node/dist/index.mjs';

const options = JSON.parse(process.env.BATCH);
const client = new Celper({ rateLimits: { window: options.window * 1_000 } });
console.log('ready');
await once(process.stdin, 'data');
const requests = options.candidates.map((candidateId) => ({
  operation: 'invite',
  candidateId,
  jobPositionId: 'pos_1',
}));
for await (const item of client.batch(requests)) {
  if (item.error) throw item.error;
}
console.log(JSON.stringify({ peak_mb: process.resourceUsage().maxRSS / 1_024 }));
process.stdin.destroy();
