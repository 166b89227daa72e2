/**
 * `node --test --test-isolation=none test-together.mjs` with the paths of test files in SIGHTLINE_TEST_FILES, one a line: all in this process,
 * one after the other. Each is a suite, so that what it does before and after its tests is done to its own alone.
 */
import { relative, resolve } from 'node:path'
import { describe } from 'node:test'
import { pathToFileURL } from 'node:url'

const files = process.env.SIGHTLINE_TEST_FILES.split('\n').map((file) => resolve(file))
delete process.env.SIGHTLINE_TEST_FILES
for (const file of files) describe(relative('', file), () => import(pathToFileURL(file).href))
