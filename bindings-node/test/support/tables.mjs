/** The tables of the native half, past the facade. */

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
export const { native } = require('../../dist/native.js');
