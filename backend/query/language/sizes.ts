/** Byte sizes as LogQL writes them. */

const UNITS = new Map([
  ['', 1],
  ['b', 1],
])
for (const [index, letter] of [...'kmgtpe'].entries()) {
  for (const unit of [letter, `${letter}b`]) UNITS.set(unit, 1000 ** (index + 1))
  for (const unit of [`${letter}i`, `${letter}ib`]) UNITS.set(unit, 1024 ** (index + 1))
}

/** `20KB`, `1.5 MiB`, `42` -> bytes, a fraction of one cut off; undefined when it is none. */
export function parseBytes(text: string): number | undefined {
  const found = /^(\d[\d,]*(?:\.\d*)?|\.\d+)\s*([a-zA-Z]*)$/.exec(text.trim())
  const unit = UNITS.get(found?.[2]?.toLowerCase() ?? '?')
  if (!found || unit === undefined) return undefined
  return Math.trunc(Number(found[1]!.replaceAll(',', '')) * unit)
}

/** Bytes as LogQL reads them back. */
export const printBytes = (bytes: number): string => `${bytes}B`
