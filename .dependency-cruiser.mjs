/**
 * Who may import whom, as data: `scripts/dependency-rules.test.ts` reads every import of the tree against it.
 *
 * A house has floors. A file imports its own folder and floors below it: never one above, and never a neighbour on its
 * own floor. Tests are left out: they may look from above into what they test.
 */

/** The folders at the top, from the ground up. */
const HOUSE = [
  ['contracts', 'otlp-messages', 'db', 'observability/grafana'],
  ['service-kit'],
  ['user-service', 'order-service', 'audit-service', 'console'],
  ['backend'],
  ['local'],
  ['scripts'],
  ['test', 'bench'],
]

/** Inside the backend. A query language knows no store: it declares the source it reads, and the store implements it. */
const BACKEND = [
  ['otlp', 'query/language'],
  ['query/traceql', 'query/logql'],
  ['store', 'service-graph'],
  ['query/tempo-api', 'query/loki-api'],
  ['query/worker'],
  ['receive', 'ports'],
  ['run'],
  ['main'],
]

/** Inside the console. A panel adapts a view to a dashboard; a page puts panels and views together. */
const CONSOLE = [
  ['data'],
  ['shell'],
  ['views'],
  ['panels'],
  ['dashboards', 'explore', 'differs', 'services', 'alerts', 'trace', 'traces', 'map', 'audit'],
  ['app'],
  ['main'],
]

/** What single rooms may not reach though it lies below them. */
const ROOMS = [
  {
    name: 'service-kit-knows-no-contract',
    comment: 'What all services share can not depend on what two of them say to each other.',
    from: { path: '^service-kit/' },
    to: { path: '^contracts/' },
  },
  {
    name: 'contracts-know-zod-only',
    comment: 'Types, checks and OpenAPI of the messages, readable by any program.',
    from: { path: '^contracts/' },
    to: { path: '^node_modules/', pathNot: '^node_modules/zod(-openapi)?/' },
  },
  {
    name: 'packages-by-their-name',
    comment: 'A workspace shows what package.json exports; its other files are its own.',
    from: { path: `^(${HOUSE.slice(0, 5).flat().join('|')})/` },
    to: {
      pathNot: '^$1/|^node_modules/|^package.json$',
      dependencyTypesNot: ['undetermined', 'aliased-workspace', 'core'],
    },
  },
  { name: 'no-circle', from: {}, to: { circular: true } },
  // What a bench compares with, and clients of others, have packages of their own, installed when they run.
  {
    name: 'no-import-that-leads-nowhere',
    from: { pathNot: '/sdk-defaults/|^test/clients/' },
    to: { couldNotResolve: true },
  },
  {
    name: 'no-test-in-production',
    comment: 'What a test needs lies in test/ folders, and only tests and other test material import it.',
    from: { pathNot: '(^|/)(test|testing)/|^bench/' },
    to: { path: '(^|/)(test|testing)/', pathNot: '^node_modules/' },
  },
]

/** A rule per room: from it to those above, and to its neighbours. `under` is the folder they all lie in. */
function floors(under, plan) {
  return plan
    .flatMap((folders, height) =>
      folders.map((folder) => {
        const refused = [...plan.slice(height + 1).flat(), ...folders.filter((other) => other !== folder)]
        return {
          name: `${under}${folder}-imports-downward`,
          from: { path: `^${under}${folder}[/.-]` },
          to: { path: `^${under}(${refused.join('|')})[/.-]` },
          refused,
        }
      }),
    )
    .filter(({ refused }) => refused.length > 0)
    .map(({ refused, ...rule }) => rule)
}

export default {
  forbidden: [...floors('', HOUSE), ...floors('backend/', BACKEND), ...floors('console/src/', CONSOLE), ...ROOMS].map(
    (rule) => ({ severity: 'error', ...rule }),
  ),
  options: {
    // TypeScript 7 has no parser that dependency-cruiser can call; swc has, and keeps imports of types.
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '\\.(test|stack)\\.tsx?$|(^|/)dist/' },
    enhancedResolveOptions: { conditionNames: ['import', 'default', 'types'], exportsFields: ['exports'] },
  },
}
