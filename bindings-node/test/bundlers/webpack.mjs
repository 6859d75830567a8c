import { promisify } from 'node:util';
import webpack from 'webpack';

const stats = await promisify(webpack)({
  mode: 'production',
  target: 'node',
  entry: './program.mjs',
  output: { path: `${import.meta.dirname}/built-webpack`, filename: 'program.cjs' },
  externals: { celper: 'commonjs celper' },
});
if (stats.hasErrors()) throw new Error(stats.toString());
