// One implementation for both module systems, so that an error made in one is `instanceof` the class seen in the other.
export * from './index.js';
