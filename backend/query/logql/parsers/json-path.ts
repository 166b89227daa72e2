/** The path expressions of `| json label="a.b[0].c"`. */
export type JsonPath = readonly (string | number)[]

const STEP = /\.?([A-Za-z_][A-Za-z0-9_-]*)|\[(\d+)\]|\.?\["((?:[^"\\]|\\.)*)"\]/y

/** `servers[0]`, `request.headers["User-Agent"]`. Throws an Error naming the column that can't be read. */
export function parseJsonPath(text: string): JsonPath {
  const path: (string | number)[] = []
  let at = 0
  while (at < text.length) {
    STEP.lastIndex = at
    const found = STEP.exec(text)
    if (!found || (at === 0 && found[0].startsWith('.'))) {
      throw new Error(`cannot read the expression ${JSON.stringify(text)} at column ${at + 1}; write a.b[0]["c d"]`)
    }
    if (found[2] !== undefined) path.push(Number(found[2]))
    else if (found[3] !== undefined) path.push(JSON.parse(`"${found[3]}"`) as string)
    else path.push(found[1]!)
    at = STEP.lastIndex
  }
  if (path.length === 0) throw new Error('the expression is empty')
  return path
}

/** The value at the path; undefined when there is none. */
export function walkJsonPath(value: unknown, path: JsonPath): unknown {
  let current = value
  for (const key of path) {
    if (typeof key === 'number') {
      current = Array.isArray(current) ? current[key] : undefined
    } else {
      const isObject = typeof current === 'object' && current !== null && !Array.isArray(current)
      current =
        isObject && Object.hasOwn(current as object, key) ? (current as Record<string, unknown>)[key] : undefined
    }
    if (current === undefined) return undefined
  }
  return current
}
