/**
 * Who may import whom, for `npm run check`. It reads like the map in CONTRIBUTING.md: each folder with the folders it
 * may import from. What is not listed is forbidden, and so are cycles.
 */
const MAP = {
  'packages/core': [],
  'packages/node': ['packages/core'],
  'packages/browser': ['packages/core'],
  'packages/uppy-plugin': ['packages/browser', 'packages/core'],
  // A second reading of the protocol: what the client gets wrong must not look right to the server.
  'packages/server': [],
  'packages/testkit': [],
  'packages/cli': ['packages/node', 'packages/server'],
  'apps/demo': ['packages/uppy-plugin', 'packages/browser', 'packages/core', 'packages/server'],
};

/** Rooms of the core, from the one that everything rests on to the one that rests on everything. */
const CORE = ['errors', 'ports', 'protocol', 'signing', 'wires', 'exchange', 'upload', 'objects', 'batch'];

/** Tests and what only they use may also start servers, clients and browsers. */
const TESTS = '(\\.test\\.ts$|/(testing|test|tour|scripts|types)/|^tests/|^bench/|tsdown\\.config)';

const inside = (folders) => (folders.length > 0 ? `^(${folders.join('|')})/` : '^$');

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'nothing-missing', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...Object.entries(MAP).map(([folder, allowed]) => ({
      name: `${folder}-imports-${allowed.length > 0 ? 'only-what-is-below-it' : 'no-other-package'}`,
      severity: 'error',
      from: { path: `^${folder}/`, pathNot: TESTS },
      to: { path: '^(packages|apps|tests|bench)/', pathNot: inside([folder, ...allowed]) },
    })),
    ...CORE.map((room, index) => ({
      name: `core-${room}-imports-only-rooms-below-it`,
      severity: 'error',
      from: { path: `^packages/core/src/${room}[./]`, pathNot: TESTS },
      to: { path: `^packages/core/src/(${[...CORE.slice(index + 1), 'index', 'testing'].join('|')})[./]` },
    })),
    {
      name: 'core-has-no-platform-and-no-dependency',
      severity: 'error',
      from: { path: '^packages/core/src/', pathNot: TESTS },
      to: { pathNot: '^packages/core/' },
    },
    {
      name: 'browsers-have-no-node-modules',
      severity: 'error',
      from: { path: '^(packages/(browser|uppy-plugin)|apps/demo)/src/', pathNot: TESTS },
      to: { dependencyTypes: ['core'] },
    },
    {
      name: 'packages-share-through-names-and-not-through-folders',
      severity: 'error',
      from: { path: '^(packages|apps)/([^/]+)/' },
      to: { path: '^(packages|apps|tests|bench)/', pathNot: '^$1/$2/', dependencyTypes: ['local'] },
    },
    {
      name: 'nothing-of-the-house-in-the-testkit',
      severity: 'error',
      from: { path: '^packages/testkit/' },
      to: { path: '^(packages/(?!testkit)|apps|tests|bench)' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^|/)dist/|\\.gen\\.ts$' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      conditionNames: ['@cos-slice/source', 'import', 'types', 'default'],
      exportsFields: ['exports'],
    },
  },
};
