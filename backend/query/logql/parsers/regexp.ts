/** `| regexp`: labels out of the named groups of a pattern. */
import { captureRegex } from '../../language/regex.ts'
import type { RowStep } from './row-step.ts'

/** A line that doesn't match stays as it is. Throws an Error on a pattern that is none. */
export function compileRegexp(expression: string): RowStep {
  const { names, exec } = captureRegex(expression)
  return (row) => {
    const found = exec(row.line)
    if (!found) return
    for (const [index, name] of names.entries()) row.extract(name, found[index] ?? '')
  }
}
