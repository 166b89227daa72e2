/** The tree's arithmetic against known roots, against RFC 9162's recursive definitions, and against everything that is nearly a proof. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  consistencyRanges,
  foldHashes,
  hashesOf,
  inclusionRanges,
  leafHash,
  nodeHash,
  provesConsistency,
  provesInclusion,
  type ReadTile,
  rootRanges,
  type TileId,
  tilesOf,
} from './merkle.ts'

/** The leaves and roots that Certificate Transparency's implementations share as a test. */
const LEAVES = ['', '00', '10', '2021', '3031', '40414243', '5051525354555657', '606162636465666768696a6b6c6d6e6f']
const ROOTS = [
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
]

const manyLeaves = (count: number) => Array.from({ length: count }, (_, n) => leafHash(`leaf ${n}`))

/** MTH of RFC 9162, 2.1.1, word for word. */
function treeHash(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 1) return leaves[0]!
  const k = 2 ** Math.ceil(Math.log2(leaves.length) - 1)
  return nodeHash(treeHash(leaves.slice(0, k)), treeHash(leaves.slice(k)))
}

/** Tiles over leaves, each level from the full tiles below it. */
function tilesOver(leaves: readonly Buffer[]): ReadTile {
  const levels = [leaves]
  for (let below = leaves; below.length >= 256; ) {
    below = Array.from({ length: Math.floor(below.length / 256) }, (_, n) =>
      foldHashes(below.slice(n * 256, n * 256 + 256)),
    )
    levels.push(below)
  }
  return ({ level, number }) => Buffer.concat((levels[level] ?? []).slice(number * 256, number * 256 + 256))
}

const rootOf = (size: number, read: ReadTile) => hashesOf(rootRanges(size), read)[0]!

test('the roots of the known leaves are the known ones', () => {
  const leaves = LEAVES.map((hex) => leafHash(Buffer.from(hex, 'hex')))
  for (const [n, root] of ROOTS.entries())
    assert.equal(rootOf(n + 1, tilesOver(leaves.slice(0, n + 1))).toString('hex'), root)
})

test('roots over tiles of several levels are what the definition says', () => {
  const leaves = manyLeaves(66_000)
  const read = tilesOver(leaves)
  for (const size of [1, 2, 255, 256, 257, 511, 512, 513, 65_537])
    assert.deepEqual(rootOf(size, read), treeHash(leaves.slice(0, size)), String(size))
  for (const [index, size] of [
    [0, 66_000],
    [65_535, 66_000],
    [65_536, 66_000],
    [65_999, 66_000],
    [300, 65_537],
  ] as const) {
    const proof = hashesOf(inclusionRanges(index, size), read)
    assert.ok(provesInclusion(leaves[index]!, index, size, rootOf(size, read), proof))
  }
  for (const [first, second] of [
    [1, 66_000],
    [256, 65_536],
    [65_536, 66_000],
    [65_537, 65_999],
    [999, 66_000],
  ] as const) {
    const proof = hashesOf(consistencyRanges(first, second), read)
    const [from, to] = [first, second].map((size) => ({ size, root: rootOf(size, read) }))
    assert.ok(provesConsistency(from!, to!, proof))
  }
})

/** Proofs that differ from a true one by one bit, by one hash more or less, or by their order. */
function* nearly(proof: readonly Buffer[]): Generator<Buffer[]> {
  for (const [n, hash] of proof.entries()) {
    const flipped = Buffer.from(hash)
    flipped[(n * 7) % 32]! ^= 1 << (n % 8)
    yield proof.with(n, flipped)
    yield proof.toSpliced(n, 1)
    yield proof.toSpliced(n, 0, hash)
    if (n > 0) yield proof.with(n, proof[n - 1]!).with(n - 1, hash)
  }
  yield [...proof, Buffer.alloc(32)]
}

test('every inclusion proof up to 66 leaves proves its leaf at its place, and nothing that is nearly one', () => {
  const leaves = manyLeaves(66)
  const read = tilesOver(leaves)
  for (let size = 1; size <= leaves.length; size++) {
    const root = rootOf(size, read)
    assert.deepEqual(root, treeHash(leaves.slice(0, size)))
    for (let index = 0; index < size; index++) {
      const proof = hashesOf(inclusionRanges(index, size), read)
      const holds = (its: readonly Buffer[], at = index, of = size, leaf = leaves[index]!, to = root) =>
        provesInclusion(leaf, at, of, to, its)
      assert.ok(proof.length <= Math.ceil(Math.log2(size)))
      assert.ok(holds(proof), `${index} of ${size}`)
      for (const wrong of nearly(proof)) assert.ok(!holds(wrong), `${index} of ${size}`)
      for (const other of [index - 1, index + 1, size])
        assert.ok(!holds(proof, other), `${index} as ${other} of ${size}`)
      assert.ok(!holds(proof, index, size, leafHash('another')))
      assert.ok(!holds(proof, index, size, leaves[index], leafHash('another')))
    }
  }
})

test('every bit of a proof counts', () => {
  const leaves = manyLeaves(23)
  const read = tilesOver(leaves)
  const inclusion = hashesOf(inclusionRanges(13, 23), read)
  const consistency = hashesOf(consistencyRanges(13, 23), read)
  const [first, second] = [13, 23].map((size) => ({ size, root: rootOf(size, read) }))
  const proofs = [
    [inclusion, (proof: Buffer[]) => provesInclusion(leaves[13]!, 13, 23, second!.root, proof)],
    [consistency, (proof: Buffer[]) => provesConsistency(first!, second!, proof)],
  ] as const
  for (const [proof, holds] of proofs) {
    assert.ok(holds(proof))
    for (let bit = 0; bit < proof.length * 256; bit++) {
      const bytes = Buffer.concat(proof)
      bytes[bit >> 3]! ^= 1 << (bit & 7)
      assert.ok(!holds(proof.map((_, n) => bytes.subarray(n * 32, n * 32 + 32))), `bit ${bit}`)
    }
  }
})

test('every consistency proof up to 66 leaves proves its two trees, and nothing that is nearly one', () => {
  const leaves = manyLeaves(66)
  const read = tilesOver(leaves)
  const heads = leaves.map((_, n) => ({ size: n + 1, root: rootOf(n + 1, read) }))
  for (const second of heads)
    for (const first of heads.slice(0, second.size)) {
      const what = `${first.size} in ${second.size}`
      const proof = hashesOf(consistencyRanges(first.size, second.size), read)
      assert.ok(provesConsistency(first, second, proof), what)
      for (const wrong of nearly(proof)) assert.ok(!provesConsistency(first, second, wrong), what)
      const forged = { size: first.size, root: leafHash('another') }
      assert.ok(!provesConsistency(forged, second, proof), what)
      assert.ok(!provesConsistency(first, { ...second, root: forged.root }, proof), what)
    }
})

test('a proof needs few hashes and few tiles, whatever the size of the tree', () => {
  const size = 10_000_000
  for (const index of [0, 1, 4_999_999, 9_437_183, 9_999_999]) {
    const ranges = inclusionRanges(index, size)
    assert.ok(ranges.length <= 24, `${ranges.length} hashes`)
    assert.ok(tilesOf(ranges).length <= 6, `${tilesOf(ranges).length} tiles`)
  }
  const far = 2 ** 52
  assert.equal(inclusionRanges(far - 1, far).length, 52)
  const last = tilesOf(inclusionRanges(far - 1, far)).at(0) as TileId
  assert.deepEqual(last, { level: 0, number: 2 ** 44 - 1 })
})

test('a tile that is too short is an error, not a hash', () => {
  const leaves = manyLeaves(10)
  assert.throws(() => rootOf(11, tilesOver(leaves)), /tile 0 of level 0 has 320 bytes/)
})
