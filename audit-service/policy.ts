/**
 * Who has to have signed a checkpoint before it is believed, as C2SP tlog-policy writes it down: logs, witnesses, groups of them
 * and a quorum. One file is enough for the service, which asks the witnesses, and for whoever verifies.
 */
import type { Cosignature } from './cosignature.ts'
import { readWitnessKey } from './cosignature.ts'
import { readVerifierKey, SIGNATURE, type VerifierKey } from './note.ts'

/** A witness, and where it is asked; undefined where nobody asks it. */
export interface Witness {
  key: VerifierKey
  url: string | undefined
}

export interface Policy {
  logs: VerifierKey[]
  witnesses: Witness[]
  /** Of the witnesses, in their order. */
  keys: VerifierKey[]
  /** Why these are not enough; undefined when they are. */
  lacks(cosignatures: readonly Cosignature[]): string | undefined
}

/** The address of a path at a witness, whose own may end with a slash. */
export const addressAt = (url: string, path: string): string => `${url.replace(/\/$/, '')}/${path}`

/** Of a witness or a group: whether it has signed, given who has. */
type Signed = (by: ReadonlySet<VerifierKey>) => boolean

/** `quorum` of these witnesses, or all of them. Throws when that can't be. */
export function quorumOf(witnesses: readonly Witness[], quorum = witnesses.length): Policy {
  const lines = witnesses.map(({ key, url }, n) => `witness ${n + 1} ${key.text} ${url ?? ''}`)
  if (witnesses.length === 0) return readPolicy('quorum none')
  return readPolicy([...lines, `group all ${quorum} ${lines.map((_, n) => n + 1).join(' ')}`, 'quorum all'].join('\n'))
}

/** Reads a policy; throws with the line and what is wrong with it. */
export function readPolicy(text: string): Policy {
  const logs: VerifierKey[] = []
  const witnesses: Witness[] = []
  const keys: VerifierKey[] = []
  const named = new Map<string, Signed>()
  const members = new Set<string>()
  let quorum: Signed | undefined

  function define(name: string | undefined, signed: Signed): void {
    if (name === undefined || name === 'none' || named.has(name))
      throw new Error(`a name of its own is needed, not ${name}`)
    named.set(name, signed)
  }

  function use(name: string | undefined): Signed {
    const signed = name === undefined ? undefined : named.get(name)
    if (signed === undefined) throw new Error(`no line above defines ${name}`)
    return signed
  }

  function member(name: string): Signed {
    if (members.has(name)) throw new Error(`${name} is in a group already`)
    members.add(name)
    return use(name)
  }

  const readers: Record<string, (words: string[]) => void> = {
    log([key = '']) {
      logs.push(unlike(logs, readVerifierKey(key, SIGNATURE.ed25519)))
    },
    witness([name, key = '', url]) {
      const its = unlike(keys, readWitnessKey(key))
      if (url !== undefined && !/^https?:\/\//.test(url)) throw new Error(`${url} is no http(s) URL`)
      define(name, (by) => by.has(its))
      keys.push(its)
      witnesses.push({ key: its, url })
    },
    group([name, threshold = '', ...names]) {
      const group = names.map(member)
      const least = { any: 1, all: group.length }[threshold] ?? (/^\d+$/.test(threshold) ? Number(threshold) : 0)
      if (least < 1 || least > group.length)
        throw new Error(`${threshold} of ${group.length}: write all, any, or a number from 1 to ${group.length}`)
      define(name, (by) => group.filter((signed) => signed(by)).length >= least)
    },
    quorum([name]) {
      if (quorum !== undefined) throw new Error('there is a quorum already')
      quorum = name === 'none' ? () => true : use(name)
    },
  }
  for (const [n, line] of text.split(/\r?\n/).entries()) {
    const [kind = '', ...words] = line.trim().split(/[ \t]+/)
    if (kind === '' || kind.startsWith('#')) continue
    try {
      if (!Object.hasOwn(readers, kind)) throw new Error(`${kind} is none of ${Object.keys(readers).join(', ')}`)
      readers[kind]!(words)
    } catch (error) {
      throw new Error(`line ${n + 1} of the policy: ${(error as Error).message}`)
    }
  }
  if (quorum === undefined) throw new Error('the policy has no quorum: end it with a line such as "quorum none"')
  const isEnough = quorum
  return {
    logs,
    witnesses,
    keys,
    lacks(cosignatures) {
      if (isEnough(new Set(cosignatures.map(({ witness }) => witness)))) return undefined
      const signed = cosignatures.map(({ witness }) => witness.name)
      const missing = keys.map(({ name }) => name).filter((name) => !signed.includes(name))
      return `${signed.length} of ${witnesses.length} witnesses have signed it, which is no quorum: ${missing.join(', ')} did not`
    },
  }
}

/** The same key twice would count as two. */
function unlike(others: readonly VerifierKey[], key: VerifierKey): VerifierKey {
  if (others.some(({ publicKey }) => publicKey.equals(key.publicKey))) throw new Error(`${key.text} is there already`)
  return key
}
