// Plain JavaScript: bootstrap.mjs uses it on whatever Node >= 18 the machine has. Types stand in the .d.mts beside it.

/** npm's warnings (EBADENGINE by the dozen under Node 20, deprecations) help nobody here: errors only, and at the end. */
export function npmCommand(command) {
  const flags = [
    ...command,
    // Tests, build and the pinned Node itself are development packages, whatever NODE_ENV or a user's `omit` says.
    '--include=dev',
    '--include=optional',
    '--engine-strict=false',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
    // The `node` package fetches its binary in an install script: a user's ignore-scripts would leave none.
    '--ignore-scripts=false',
    '--no-progress',
    // With npm's own pauses (10 s, then 60 s) a machine without network would wait for more than a minute to be told so.
    '--fetch-retry-mintimeout=1000',
    '--fetch-retry-maxtimeout=5000',
  ]
  const ownNpm = process.env.npm_execpath
  if (!ownNpm?.endsWith('npm-cli.js')) return { command: process.platform === 'win32' ? 'npm.cmd' : 'npm', args: flags }
  // The Node that npm was started with: Debian's npm needs Debian's.
  return { command: process.env.npm_node_execpath ?? process.execPath, args: [ownNpm, ...flags] }
}
