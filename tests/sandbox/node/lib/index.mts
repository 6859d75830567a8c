// One implementation for both module systems.
export * from './index.js';
