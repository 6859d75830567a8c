// Makes a call to a closed port, with the installed package.
const { Celper, ConnectionFailedError } = require('celper');

const apiKey = 'celp_0123456789abcdef0123456789abcdef';
new Celper({ apiKey, baseUrl: 'http://127.0.0.1:9', maxRetries: 0 })
  .getCandidateStatus('cand', { jobPositionId: 'pos' })
  .then(
    () => process.exit(1),
    (error) => {
      if (!(error instanceof ConnectionFailedError)) throw error;
      console.log(`CommonJS: ${error.message}`);
    },
  );
