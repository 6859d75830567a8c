/** The native half's tables, imported directly because the package does not export them. */

import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
export const { native } = require('../../dist/native.js');
