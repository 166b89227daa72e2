/** Durations and byte sizes as LogQL writes them. */
import { DURATION_UNITS } from '../language/duration-units.ts'

/** `1h30m`, `1.5s`, `-2ms` -> nanoseconds; undefined when it is none. Days, weeks and years only where `calendar`. */
export function parseDuration(text: string, calendar = true): number | undefined {
  const body = /^[+-]/.test(text) ? text.slice(1) : text
  if (body === '0') return 0
  let total = 0
  let end = 0
  for (const part of body.matchAll(/(\d+(?:\.\d*)?|\.\d+)([a-zµμ]+)/gy)) {
    const unit = DURATION_UNITS.get(part[2]!)
    if (unit === undefined || (!calendar && unit >= 86_400e9)) return undefined
    total += Number(part[1]) * unit
    end = part.index + part[0].length
  }
  if (end === 0 || end !== body.length || !Number.isFinite(total)) return undefined
  return text.startsWith('-') ? -total : Math.round(total)
}

/** Nanoseconds -> the shortest way to write them: `1h30m`, `1500ms` as `1s500ms`. */
export function printDuration(ns: number): string {
  if (ns === 0) return '0s'
  let rest = Math.abs(ns)
  let text = ns < 0 ? '-' : ''
  for (const [unit, size] of [
    ['h', 3600e9],
    ['m', 60e9],
    ['s', 1e9],
    ['ms', 1e6],
    ['us', 1e3],
    ['ns', 1],
  ] as const) {
    const count = Math.floor(rest / size)
    if (count > 0) text += `${count}${unit}`
    rest -= count * size
  }
  return text
}

const byteUnits = new Map([
  ['', 1],
  ['b', 1],
])
for (const [index, letter] of [...'kmgtpe'].entries()) {
  for (const unit of [letter, `${letter}b`]) byteUnits.set(unit, 1000 ** (index + 1))
  for (const unit of [`${letter}i`, `${letter}ib`]) byteUnits.set(unit, 1024 ** (index + 1))
}

/** `20KB`, `1.5 MiB`, `42` -> bytes; undefined when it is none. */
export function parseBytes(text: string): number | undefined {
  const found = /^(\d[\d,]*(?:\.\d*)?|\.\d+)\s*([a-zA-Z]*)$/.exec(text.trim())
  const unit = byteUnits.get(found?.[2]?.toLowerCase() ?? '?')
  if (!found || unit === undefined) return undefined
  return Math.trunc(Number(found[1]!.replaceAll(',', '')) * unit)
}

/** Bytes as LogQL reads them back. */
export const printBytes = (bytes: number): string => `${bytes}B`
