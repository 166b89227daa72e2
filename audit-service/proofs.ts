/** What of the log can be proven offline: rows, growth, and the static files that other programs make proofs of themselves. */
import type { AuditConsistency, AuditProof, AuditRowReceipt } from '@sightline/contracts'
import { conflict, invalid, notFound, type ProblemError, type Queries } from '@sightline/service-kit'
import { TILE_WIDTH, type TileId } from './merkle.ts'
import { proveConsistency, proveInclusion, type RowInChain, rowExists, sealedRow, tileBytes, treeSize } from './tree.ts'
import type { TreeCheckpoints } from './tree-checkpoint.ts'

/** Each rejects with a ProblemError when there is nothing to prove, or not yet, and when the database is away. */
export interface Proofs {
  /** Against the tree of `size` rows; without one against the newest checkpoint, or the whole tree where none is signed. */
  proof(auditId: number, size?: number): Promise<AuditProof>
  receipt(auditId: number): Promise<AuditRowReceipt>
  /** `to` is the whole tree unless given. */
  consistency(from: number, to?: number): Promise<AuditConsistency>
  /** Rows of the tree that was signed last, 0 where none is. */
  signedSize(): Promise<number>
  /** The newest signed note. */
  checkpoint(): Promise<string>
  /** The bytes of a tile by its level and its number as C2SP tlog-tiles writes it. */
  tile(level: number, path: string): Promise<Buffer>
}

const base64 = (hash: Buffer) => hash.toString('base64')

/** The proofs of a database's tree. */
export function createProofs(database: Queries, checkpoints: TreeCheckpoints): Proofs {
  async function proof(auditId: number, size?: number): Promise<AuditProof> {
    return proofOf(auditId, await rowOf(auditId), size)
  }

  async function proofOf(auditId: number, { position, entry }: RowInChain, size?: number): Promise<AuditProof> {
    const grown = await treeSize(database)
    if (position > grown) throw notYet(`Audit row ${auditId} is sealed, and comes into the tree with the next batch`)
    const signed = size === undefined ? await checkpoints.newest(position) : undefined
    const of = size ?? signed?.size ?? grown
    checkSize('size', of, grown)
    if (position > of)
      throw size === undefined
        ? notYet(`Audit row ${auditId} is in the tree, and not yet in a signed checkpoint${lacking()}`)
        : invalid([
            { parameter: 'size', detail: `the row is number ${position} of the log: ask for ${position} or more` },
          ])
    const { leaf, hashes, root } = await proveInclusion(database, position - 1, of)
    return {
      format: 'sightline-audit-proof-1',
      index: position - 1,
      size: of,
      root: base64(root),
      leaf_hash: base64(leaf),
      entry,
      hashes: hashes.map(base64),
    }
  }

  async function rowOf(auditId: number): Promise<RowInChain> {
    const row = await sealedRow(database, auditId)
    if (row !== undefined) return row
    if (await rowExists(database, auditId)) throw notYet(`Audit row ${auditId} waits for its seal`)
    throw notFound('audit-row', auditId)
  }

  async function receipt(auditId: number): Promise<AuditRowReceipt> {
    if (!checkpoints.signs) throw noCheckpoint()
    const row = await rowOf(auditId)
    const checkpoint = await checkpoints.newest(row.position)
    if (checkpoint === undefined || checkpoint.size < row.position)
      throw notYet(`Audit row ${auditId} is sealed, and not yet in a signed checkpoint${lacking()}`)
    return { ...(await proofOf(auditId, row, checkpoint.size)), checkpoint: checkpoint.note }
  }

  /** What witnesses have to do with it. */
  function lacking(): string {
    const lacks = checkpoints.lacks()
    return lacks === undefined ? '' : `: ${lacks}`
  }

  async function consistency(from: number, to?: number): Promise<AuditConsistency> {
    const grown = await treeSize(database)
    const until = to ?? grown
    if (to !== undefined && from > to)
      throw invalid([{ parameter: 'from', detail: `is more than to, ${to}: the earlier tree is the smaller` }])
    checkSize('from', from, grown)
    checkSize('to', until, grown)
    const { first, second, hashes } = await proveConsistency(database, from, until)
    return {
      format: 'sightline-audit-consistency-1',
      from,
      to: until,
      from_root: base64(first.root),
      to_root: base64(second.root),
      hashes: hashes.map(base64),
    }
  }

  async function checkpoint(): Promise<string> {
    if (!checkpoints.signs) throw noCheckpoint()
    const newest = await checkpoints.newest()
    if (newest === undefined) throw notFound('checkpoint', `yet${lacking() || ': the log is empty'}`)
    return newest.note
  }

  async function tile(level: number, path: string): Promise<Buffer> {
    const { number, width } = parseTilePath(path)
    // Each tile has one path: number 1 is 001, and never x000/001.
    const isItsPath = path.split('.p/')[0] === tilePath(number)
    const bytes = isItsPath ? await tileBytes(database, { level, number }, width) : undefined
    if (bytes === undefined) throw notFound('tile', `${level}/${path}`)
    return bytes
  }

  const signedSize = async () => (await checkpoints.newest())?.size ?? 0

  return { proof, receipt, consistency, signedSize, checkpoint, tile }
}

/** `x001/234.p/5`: number 1234, 5 hashes of it. The contract has seen to the form. */
function parseTilePath(path: string): Pick<TileId, 'number'> & { width: number } {
  const [number = '', width] = path.split('.p/')
  return { number: Number(number.replaceAll(/[x/]/g, '')), width: width === undefined ? TILE_WIDTH : Number(width) }
}

function tilePath(number: number): string {
  const groups = String(number)
    .replaceAll(/\B(?=(\d{3})+$)/g, '/')
    .split('/')
  groups[0] = groups[0]!.padStart(3, '0')
  return groups.map((group, n) => (n < groups.length - 1 ? `x${group}` : group)).join('/')
}

function checkSize(parameter: string, size: number, grown: number): void {
  if (size > grown)
    throw conflict(
      'tree-smaller',
      'The tree is smaller',
      `The tree has ${grown} rows, fewer than ${parameter}, ${size}. If a checkpoint was signed for ${size}, rows were cut off: npm run audit:verify.`,
    )
}

/** 409: nothing is wrong, a moment later it can be proven. */
function notYet(what: string): ProblemError {
  return conflict('not-in-tree-yet', 'Not in the tree yet', `${what}; ask again.`, 1)
}

/** 404: this service has nothing signed to show. */
function noCheckpoint(): ProblemError {
  return notFound('checkpoint', 'here: start audit-service with AUDIT_CHECKPOINT_FILE and AUDIT_SIGNING_KEY_FILE')
}
