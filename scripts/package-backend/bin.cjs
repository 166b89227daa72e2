#!/bin/sh
':' //; export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-1}" MALLOC_TRIM_THRESHOLD_="${MALLOC_TRIM_THRESHOLD_:-65536}"; exec node --max-semi-space-size=8 "$0" "$@"
// For a shell the second line, which becomes Node in the same process: freed buffers and the garbage of ingest then don't wait in
// memory. For Node all that follows, in the words of an old one.
var MAJOR = 24
if (Number(process.versions.node.split('.')[0]) < MAJOR) {
  console.error(
    'sightline-backend needs Node ' +
      MAJOR +
      ' or newer, and ' +
      process.execPath +
      ' is ' +
      process.versions.node +
      '.\n' +
      'Get one from https://nodejs.org, or let npx bring it: npx --package=node@' +
      MAJOR +
      ' --package=FILE.tgz sightline-backend',
  )
  process.exit(1)
}
// What has been compiled once need not be compiled again at the next start.
require('node:module').enableCompileCache()
// By its path: it is there once this is packed.
require(`${__dirname}/main.cjs`)
