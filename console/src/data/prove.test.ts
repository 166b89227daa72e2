/** Proofs in the browser, of trees and notes that audit-service's own code makes. */
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import { hashRow, type SealableRow } from '../../../audit-service/chain.ts'
import { makeKeys } from '../../../audit-service/checkpoint-format.ts'
import { entryBytes, entryOf } from '../../../audit-service/entry.ts'
import { hashesOf, inclusionRanges, leafHash, rootRanges } from '../../../audit-service/merkle.ts'
import { signTreeCheckpoint, verifierKey } from '../../../audit-service/note.ts'
import type { Receipt } from './audit.ts'
import { proveRow } from './prove.ts'
import { readKey, readNote } from './signed-note.ts'

const SIZE = 11
const keys = makeKeys()
const ORIGIN = 'test/log'

function rowOf(n: number) {
  const row: SealableRow = {
    id: String(n + 100),
    event_id: '00000000-0000-4000-8000-000000000000',
    event_type: 'order.completed',
    occurred_at: '2026-01-02T03:04:05.678000Z',
    recorded_at: '2026-01-02T03:04:06.000000Z',
    source: 'order-service',
    user_id: '1',
    order_id: String(n),
    action: 'a "purchase"\n\u{1F600}',
    trace_id: null,
    request_id: null,
    details: '{"total": 1.5}',
  }
  const seal = Buffer.alloc(32, n)
  const sealed = {
    position: n + 1,
    version: 2,
    audit_id: n + 100,
    row_hash: hashRow(row),
    hash: seal,
    sealed_at: row.recorded_at,
  }
  return { row, elements: entryOf({ ...row, ...sealed }) }
}

const entries = Array.from({ length: SIZE }, (_, n) => rowOf(n).elements)
const leaves = Buffer.concat(entries.map((elements) => leafHash(entryBytes(elements))))

function receiptOf(index: number, size = SIZE): Receipt {
  const [root, ...hashes] = hashesOf([...rootRanges(size), ...inclusionRanges(index, size)], () => leaves)
  const base64 = (hash: Buffer) => hash.toString('base64')
  return {
    index,
    size,
    root: base64(root!),
    leaf_hash: base64(leaves.subarray(index * 32, index * 32 + 32)),
    entry: entries[index]!,
    hashes: hashes.map(base64),
    checkpoint: signTreeCheckpoint({ size, root: root! }, ORIGIN, createPrivateKey(keys.privateKey)).note,
  }
}

const shown = (index: number) => ({
  ...rowOf(index).row,
  id: index + 100,
  order_id: index,
  user_id: 1,
  position: index + 1,
})
const publicKey = readKey(keys.publicKey)

test('every row of every tree is proven, with the key in both of its forms, and without one', async () => {
  const line = readKey(verifierKey(ORIGIN, createPublicKey(keys.publicKey)))
  assert.deepEqual([line.raw, line.name], [publicKey.raw, ORIGIN])
  for (let size = 1; size <= SIZE; size++) {
    for (let index = 0; index < size; index++) {
      const receipt = receiptOf(index, size)
      const { fault, signature, steps, root } = await proveRow(shown(index), receipt, publicKey)
      assert.deepEqual([fault, signature, root], [undefined, 'valid', receipt.root], `${index} of ${size}`)
      assert.equal(steps.length, receipt.hashes.length)
    }
  }
  assert.equal((await proveRow(shown(3), receiptOf(3), line)).signature, 'valid')
  assert.equal((await proveRow(shown(3), receiptOf(3), undefined)).signature, 'no key')
  const { checkpoint: _, ...unsigned } = receiptOf(3)
  assert.deepEqual([(await proveRow(shown(3), unsigned, publicKey)).signature], ['none'])
})

test('what does not fit is named', async () => {
  const receipt = receiptOf(3)
  const changed = (at: number, value: string | null) => receipt.entry.map((element, n) => (n === at ? value : element))
  const other = signTreeCheckpoint(
    { size: SIZE, root: Buffer.alloc(32) },
    ORIGIN,
    createPrivateKey(keys.privateKey),
  ).note
  const ofOther = signTreeCheckpoint(
    { size: SIZE, root: Buffer.alloc(32) },
    ORIGIN,
    createPrivateKey(makeKeys().privateKey),
  ).note
  const resealed = changed(14, 'refund')
  const cases: Array<[Partial<Receipt>, RegExp]> = [
    [{ entry: changed(14, 'refund') }, /its leaf is another/],
    [{ entry: resealed, leaf_hash: leafHash(entryBytes([...resealed])).toString('base64') }, /do not lead/],
    [{ hashes: receipt.hashes.slice(1) }, /has not the hashes/],
    [{ hashes: receipt.hashes.toReversed() }, /do not lead/],
    [{ index: 2 }, /do not lead|another position/],
    [{ index: -1 }, /has not the hashes/],
    [{ checkpoint: other }, /do not lead/],
    [{ checkpoint: ofOther }, /not signed by the key/],
    [{ checkpoint: receiptOf(3, 10).checkpoint! }, /another tree/],
    [{ checkpoint: receipt.checkpoint!.replace(`\n${SIZE}\n`, `\n${SIZE}1\n`) }, /not signed by the key/],
  ]
  for (const [fields, reason] of cases)
    assert.match((await proveRow(shown(3), { ...receipt, ...fields }, publicKey)).fault!, reason)
  assert.match((await proveRow({ ...shown(3), action: 'sale' }, receipt, publicKey)).fault!, /shows another action/)
  await assert.rejects(proveRow(shown(3), { ...receipt, entry: ['x'] }, publicKey), /another format/)
  for (const text of ['', 'x', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----'])
    assert.throws(() => readKey(text))
  assert.throws(() => readNote('nothing'), /no signed note/)
})

test('who has signed behind the log is named', async () => {
  const receipt = receiptOf(3)
  const cosigned = { ...receipt, checkpoint: `${receipt.checkpoint}— witness.example AAAAAAAA\n` }
  const proof = await proveRow(shown(3), cosigned, publicKey)
  assert.deepEqual([proof.signature, proof.cosigners], ['valid', ['witness.example']])
})
