// Prints the public face of the built npm package, one item a line: what `dist/index.d.ts` declares, as TypeScript's own
// checker sees it, held against what the built modules export and accept.

import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const home = process.argv[2] ?? fileURLToPath(new URL('../../../../bindings-node', import.meta.url));
const require = createRequire(`${home}/package.json`);
const { API, SignatureKind, SymbolFlags } = await import(
  pathToFileURL(require.resolve('typescript/unstable/sync')).href
);

const print = (item) => console.log(JSON.stringify(item));
const problem = (text) => print({ item: 'problem', name: text });
print({ item: 'face', name: 'node' });

const entry = require(`${home}/package.json`).exports['.'];
const declarations = require.resolve(`${home}/${entry.require.types}`);
const api = new API({ cwd: home });
const project = api.updateSnapshot({ openFiles: [declarations] }).getDefaultProjectForFile(declarations);
const { checker, program } = project;
const errors = [...program.getSyntacticDiagnostics(declarations), ...program.getSemanticDiagnostics(declarations)];
for (const error of errors) problem(`the declarations are not right: ${JSON.stringify(error)}`);

const isOurs = (symbol) => symbol.declarations.some(({ path }) => !path.includes('/node_modules/'));
const doc = (symbol) => checker.getDocumentationCommentOfSymbol(symbol);
// `__@dispose@17` is how the checker calls a member that is named by a well-known symbol, `__#1@#private` one that is private.
const nameOf = (symbol) => symbol.name.replace(/^__@(\w+)@\d+$/, '[Symbol.$1]');
const membersOf = (type) =>
  checker.getPropertiesOfType(type).filter((symbol) => isOurs(symbol) && !symbol.name.startsWith('__#'));

/** The type of a declared value without `undefined`, `null` and `false`, and what these say of it. */
function described(symbol) {
  const parts = checker.typeToString(checker.getTypeOfSymbol(symbol)).split(' | ');
  const may = (part) => parts.includes(part);
  return {
    name: nameOf(symbol),
    type: parts.filter((part) => !['undefined', 'null', 'false'].includes(part)).join(' | '),
    optional: (symbol.flags & SymbolFlags.Optional) !== 0 || may('undefined') || may('null'),
    off: may('false'),
    doc: doc(symbol),
  };
}

/** The same of what a caller gives: to be optional, it has to be possible to leave it out. */
const given = (symbol) => ({ ...described(symbol), optional: (symbol.flags & SymbolFlags.Optional) !== 0 });

const exported = new Map();
for (const symbol of checker.getExportsOfModule(checker.getSymbolAtLocation(program.getSourceFile(declarations)))) {
  exported.set(symbol.name, symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol);
}
const declared = (name) => checker.getDeclaredTypeOfSymbol(exported.get(name));
const literals = (type) =>
  type
    .getTypes()
    .filter((part) => part.isStringLiteralType())
    .map((part) => part.value);
const signatureOf = (symbol) => checker.getSignaturesOfType(checker.getTypeOfSymbol(symbol), SignatureKind.Call)[0];
const exportedName = (type) => {
  const name = (type.getAliasSymbol() ?? type.getSymbol())?.name;
  return exported.has(name) ? name : undefined;
};

/** The exported names that are part of something else; what is left in the end is printed as a mere name. */
const seen = new Set(['Celper', 'CandidateStatus', 'KnownCandidateStatus', 'ErrorKind']);
const results = new Map();

function result(type) {
  const name = exportedName(type);
  if (name === undefined || results.has(name) || !(exported.get(name).flags & SymbolFlags.Interface)) return;
  results.set(name, type);
  seen.add(name);
  for (const field of membersOf(type)) result(checker.getNonNullableType(checker.getTypeOfSymbol(field)));
}

for (const member of membersOf(declared('Celper'))) {
  const signature = signatureOf(member);
  const name = nameOf(member);
  if (!signature || signature.getParameters().length === 0) {
    print({ item: 'member', name, doc: doc(member) });
    continue;
  }
  const promised = /^Promise<(.*)>$/.exec(checker.typeToString(checker.getReturnTypeOfSignature(signature)));
  print({ item: 'operation', name, type: promised?.[1], doc: doc(member) });
  if (exported.has(promised?.[1])) result(declared(promised[1]));
  const tags = checker
    .getJsDocTagsOfSymbol(member)
    .filter((tag) => tag.name === 'param')
    .map((tag) => tag.text);
  for (const parameter of signature.getParameters()) {
    const type = checker.getTypeOfSymbol(parameter);
    const record = exportedName(type);
    if (record) {
      seen.add(record);
      for (const field of membersOf(type)) print({ item: 'parameter', of: name, named: true, ...given(field) });
    } else {
      const tag = tags.find((text) => text.startsWith(`${parameter.name} `)) ?? '';
      const text = tag.slice(parameter.name.length).trim();
      print({ item: 'parameter', of: name, named: false, ...given(parameter), doc: text });
    }
  }
}

const [make] = checker.getSignaturesOfType(checker.getTypeOfSymbol(exported.get('Celper')), SignatureKind.Construct);
const options = checker.getNonNullableType(checker.getTypeOfSymbol(make.getParameters()[0]));
seen.add(exportedName(options));
for (const option of membersOf(options)) print({ item: 'option', ...given(option) });
seen.add('RateLimits');
for (const limit of membersOf(declared('RateLimits'))) print({ item: 'limit', ...given(limit) });

for (const [name, type] of results) {
  print({ item: 'result', name, doc: doc(exported.get(name)) });
  for (const field of membersOf(type)) print({ item: 'field', of: name, ...described(field) });
}

const named = new Map(
  membersOf(checker.getTypeOfSymbol(exported.get('CandidateStatus'))).map((symbol) => {
    const [value] = checker.typeToString(checker.getTypeOfSymbol(symbol)).match(/[^"]+/);
    return [value, symbol];
  }),
);
for (const value of literals(declared('KnownCandidateStatus'))) {
  const symbol = named.get(value);
  print({ item: 'status', name: value, case: symbol && nameOf(symbol), doc: symbol ? doc(symbol) : '' });
}

// Every JavaScript error has a message; what ours is, the class's documentation says.
const [message] = checker.getPropertiesOfType(declared('CelperError')).filter((symbol) => symbol.name === 'message');
const [said = ''] = doc(exported.get('CelperError')).match(/^.*`message`.*$/m) ?? [];
print({ item: 'error field', ...described(message), doc: said });
for (const field of membersOf(declared('CelperError'))) print({ item: 'error field', ...described(field) });

const isClass = (symbol) => (symbol.flags & SymbolFlags.Class) !== 0;
const parentOf = (name) => checker.getBaseTypes(declared(name))[0]?.getSymbol()?.name;
const built = require(home);
for (const [name, symbol] of exported) {
  if (!isClass(symbol) || name === 'Celper') continue;
  seen.add(name);
  const parent = parentOf(name);
  print({ item: 'error class', name, parent: parent === 'Error' ? null : parent, doc: doc(symbol) });
  const prototype = built[name] && Object.getPrototypeOf(built[name]);
  if (prototype?.name !== parent)
    problem(`the class ${name} is declared under ${parent}, and is under ${prototype?.name}`);
  if (built[name]?.prototype.name !== name)
    problem(`errors of the class ${name} call themselves ${built[name]?.prototype.name}`);
}
const { errorOf } = require(`${home}/dist/errors.js`);
for (const kind of literals(declared('ErrorKind'))) {
  let error;
  try {
    error = errorOf({ kind, message: '', operation: 'client' }, {});
  } catch (refused) {
    problem(`no error of the kind ${kind} can be made: ${refused}`);
  }
  print({ item: 'error kind', name: kind, class: error?.constructor.name });
}

for (const [name, symbol] of exported) {
  if (!seen.has(name)) print({ item: 'name', name, doc: doc(symbol) });
  // Every member of what is exported, also of what is no item of its own. A record may refer to the class whose members it has.
  const members = symbol.flags & (SymbolFlags.Interface | SymbolFlags.Class) ? membersOf(declared(name)) : [];
  const classes = [...exported].filter(([other, it]) => isClass(it) && other !== name && doc(symbol).includes(other));
  const said = new Set(classes.flatMap(([other]) => checker.getPropertiesOfType(declared(other)).map(nameOf)));
  for (const member of members) {
    if (!doc(member) && !said.has(nameOf(member))) problem(`${name}.${nameOf(member)} has no documentation`);
  }
}

// What is declared is there, and in both module systems.
const values = [...exported].filter(([, symbol]) => symbol.flags & SymbolFlags.Value).map(([name]) => name);
const modules = { require: built, import: await import(pathToFileURL(`${home}/${entry.import.default}`).href) };
for (const [system, module] of Object.entries(modules)) {
  // What only says of which system a module is.
  const names = Object.keys(module).filter((name) => !['default', 'module.exports', '__esModule'].includes(name));
  for (const name of values) if (!names.includes(name)) problem(`${name} is declared, and ${system} does not give it`);
  for (const name of names) if (!values.includes(name)) problem(`${system} gives ${name}, which is not declared`);
}

// The check of what JavaScript callers pass knows the same names: it lists them when it refuses one.
const accepted = async (call) => {
  const refused = await Promise.resolve()
    .then(call)
    .catch((error) => error);
  return /there is no option "\?" \((.*)\)/.exec(refused?.message)?.[1].split(', ') ?? [];
};
const client = new built.Celper({ apiKey: 'celp_0', baseUrl: 'http://127.0.0.1:9' });
const checks = [
  ['a client', membersOf(options), () => new built.Celper({ '?': 1 })],
  ['rateLimits', membersOf(declared('RateLimits')), () => new built.Celper({ rateLimits: { '?': 1 } })],
  ['a call', membersOf(declared('InviteOptions')), () => client.inviteCandidate('c', { '?': 1 })],
];
for (const [what, members, call] of checks) {
  const names = members.map(nameOf);
  const known = await accepted(call);
  for (const name of names) if (!known.includes(name)) problem(`${what} declares the option ${name}, and refuses it`);
  for (const name of known)
    if (!names.includes(name)) problem(`${what} accepts the option ${name}, which is not declared`);
}
client.close();
api.close();
