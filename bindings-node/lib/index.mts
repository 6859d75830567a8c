// ES modules re-export the CommonJS build, so that both module systems share one set of classes and `instanceof` works.
export * from './index.js';
