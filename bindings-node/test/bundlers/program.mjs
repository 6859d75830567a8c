import { Celper } from 'celper';

const client = new Celper({ rateLimits: false });
client.getCandidateStatus(process.env.CANDIDATE, { jobPositionId: 'pos_1' }).then(({ status }) => console.log(status));
