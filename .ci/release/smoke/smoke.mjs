// Makes a call to a closed port, with the installed package.
import { Celper, ConnectionFailedError } from 'celper';

const apiKey = 'celp_0123456789abcdef0123456789abcdef';
try {
  const client = new Celper({ apiKey, baseUrl: 'http://127.0.0.1:9', maxRetries: 0 });
  await client.getCandidateStatus('cand', { jobPositionId: 'pos' });
  throw new Error('there is a server at 127.0.0.1:9');
} catch (error) {
  if (!(error instanceof ConnectionFailedError)) throw error;
  console.log(`ES module: ${error.message}`);
}
