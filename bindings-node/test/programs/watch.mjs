// Takes one item of a watch, and leaves the watch without ending it.

import { Celper } from '../../dist/index.mjs';

const watch = new Celper().watchCandidates([process.argv[2]], { jobPositionId: 'pos_1' });
const { value } = await watch.next();
console.log(value.state.status);
