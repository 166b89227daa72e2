/** `ip("...")` of filters: one address, `a-b`, or CIDR, for IPv4 and IPv6. */
import { isIP } from 'node:net'

interface Span {
  readonly family: number
  readonly first: bigint
  readonly last: bigint
}

export type IpMatcher = (address: string) => boolean

/** Throws an Error that says what a pattern may look like. */
export function parseIpPattern(pattern: string): IpMatcher {
  const span = parseSpan(pattern.trim())
  if (!span) throw new Error(`ParseAddr(${JSON.stringify(pattern)}): neither an address, a range a-b nor a CIDR block`)
  return (address) => {
    const family = isIP(address)
    if (family !== span.family) return false
    const value = toNumber(address, family)
    return value >= span.first && value <= span.last
  }
}

function parseSpan(pattern: string): Span | undefined {
  const [from, to, ...more] = pattern.split('-')
  if (to !== undefined) {
    const family = isIP(from!)
    if (more.length > 0 || !family || isIP(to) !== family) return undefined
    return { family, first: toNumber(from!, family), last: toNumber(to, family) }
  }
  const [address, bits] = pattern.split('/')
  const family = isIP(address!)
  if (!family) return undefined
  const width = family === 4 ? 32 : 128
  const prefix = bits === undefined ? width : /^\d{1,3}$/.test(bits) ? Number(bits) : width + 1
  if (prefix > width) return undefined
  const free = BigInt(width - prefix)
  const first = (toNumber(address!, family) >> free) << free
  return { family, first, last: first + (1n << free) - 1n }
}

function toNumber(address: string, family: number): bigint {
  if (family === 4) return address.split('.').reduce((sum, part) => (sum << 8n) | BigInt(part), 0n)
  const plain = address.replace(/%.*$/, '').replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, ...parts: string[]) => {
    const [a, b, c, d] = parts.map(Number) as [number, number, number, number]
    return `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
  })
  const [head = '', tail] = plain.split('::')
  const left = head ? head.split(':') : []
  const right = tail ? tail.split(':') : []
  const middle = Array<string>(tail === undefined ? 0 : 8 - left.length - right.length).fill('0')
  return [...left, ...middle, ...right].reduce((sum, part) => (sum << 16n) | BigInt(`0x${part}`), 0n)
}

const IPV4_LIKE = /(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])/g
const IPV6_LIKE = /(?<![0-9a-fA-F:])[0-9a-fA-F]{0,4}(?::[0-9a-fA-F]{0,4}){2,7}(?![0-9a-fA-F:])/g

/** Whether any address in a line matches. */
export function findIp(line: string, matches: IpMatcher): boolean {
  for (const [address] of line.matchAll(IPV4_LIKE)) if (matches(address)) return true
  for (const [address] of line.matchAll(IPV6_LIKE)) if (matches(address)) return true
  return false
}
