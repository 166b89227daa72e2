/** The tree without what is no part of its meaning: positions and the text it came from. */
export function meaning(tree: unknown): unknown {
  return JSON.parse(
    JSON.stringify(tree, (key, part) => {
      if (key === 'at' || key === 'text') return undefined
      return typeof part === 'bigint' ? `${part}n` : Object.is(part, -0) ? '-0' : part
    }),
  )
}
