// Adds BullMQ jobs for the candidates in CANDIDATES, each twice, and prints what the jobs returned.

import { Queue, QueueEvents } from 'bullmq';

const connection = { url: process.env.REDIS_URL };
const queue = new Queue('invitations', { connection });
const events = new QueueEvents('invitations', { connection });
const candidates = process.env.CANDIDATES.split(',');
const data = [...candidates, ...candidates].map((candidateId) => ({ candidateId, jobPositionId: 'pos_1' }));
const jobs = await queue.addBulk(data.map((data) => ({ name: 'invite', data })));
const sessions = await Promise.all(jobs.map((job) => job.waitUntilFinished(events)));
console.log(JSON.stringify(sessions));
await events.close();
await queue.close();
