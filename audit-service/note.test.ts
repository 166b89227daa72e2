/** Signed notes as others make and read them; the first is what golang.org/x/mod/sumdb/note v0.43.0 makes of the same key and text. */
import assert from 'node:assert/strict'
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import { makeKeys } from './checkpoint-format.ts'
import { leafHash } from './merkle.ts'
import { ORIGIN_PATTERN, readTreeCheckpoint, signTreeCheckpoint, verifierKey } from './note.ts'

const ORIGIN = 'example.com/log'
/** An Ed25519 key of 32 bytes 7, in the wrapping of PKCS #8. */
const privateKey = createPrivateKey({
  key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, 7)]),
  format: 'der',
  type: 'pkcs8',
})
const publicKey = createPublicKey(privateKey)
const NOTE =
  'example.com/log\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n\n' +
  '— example.com/log cC88cOQOCDVw9POeAQGm6n4J/2xZ8l8AmW2eC2fhKuOemc6pzVdRKOAxPRpbrKYQJ3Qvz/1iVuqSzOvAvbNoM4Q18wQ=\n'

test('a checkpoint is the signed note that others make, and its key is named as they name it', () => {
  assert.equal(signTreeCheckpoint({ size: 1, root: leafHash('') }, ORIGIN, privateKey).note, NOTE)
  assert.equal(verifierKey(ORIGIN, publicKey), 'example.com/log+702f3c70+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs')
  const { size, root, origin } = readTreeCheckpoint(NOTE, ORIGIN, publicKey)
  assert.deepEqual([origin, size, root], [ORIGIN, 1, leafHash('')])
})

test('signatures and lines of others do no harm, and no good', () => {
  const cosigned = `${NOTE}— witness.example/w AAAAAKzJ\n`
  assert.equal(readTreeCheckpoint(cosigned, ORIGIN, publicKey).note, cosigned)
  const foreign = signTreeCheckpoint(
    { size: 1, root: leafHash('') },
    ORIGIN,
    createPrivateKey(makeKeys().privateKey),
  ).note
  assert.equal(readTreeCheckpoint(NOTE + foreign.split('\n\n')[1], ORIGIN, publicKey).size, 1)
  assert.throws(() => readTreeCheckpoint(foreign, ORIGIN, publicKey), /no signature of this key/)
})

test('whatever is changed in a checkpoint is refused with the reason', () => {
  const read = (note: string) => () => readTreeCheckpoint(note, ORIGIN, publicKey)
  assert.throws(read(NOTE.replace('\n1\n', '\n2\n')), /signature of the checkpoint does not fit/)
  assert.throws(read(NOTE.replace('bjQL', 'bjQM')), /signature of the checkpoint does not fit/)
  assert.throws(read(NOTE.replace('\n\n', '\nan extension\n\n')), /signature of the checkpoint does not fit/)
  assert.throws(read(NOTE.replace('cC88cOQO', 'cC88cOQP')), /signature of the checkpoint does not fit/)
  assert.throws(read(NOTE.replace('cC88cOQO', 'dC88cOQO')), /no signature of this key/)
  assert.throws(
    read(NOTE.replace('example.com/log\n', 'example.com/other\n')),
    /is of the log example.com\/other, not of/,
  )
  assert.throws(read(''), /is empty/)
  for (const broken of [
    NOTE.split('\n\n')[0]!,
    NOTE.replace('\n1\n', '\n01\n'),
    NOTE.replace('\n1\n', '\n-1\n'),
    NOTE.replace('oB0=', 'oB1='),
    NOTE.replace('oB0=', ''),
    '{"format":"sightline-audit-checkpoint-1"}',
  ])
    assert.throws(read(broken), /this is no checkpoint of a tree/, broken)
})

test('the name of a log fits into a note', () => {
  for (const name of ['sightline/audit', 'example.com/log', 'ä']) assert.match(name, ORIGIN_PATTERN)
  for (const name of ['', 'a b', 'a+b', 'a\nb', 'a\u0085b', 'a\u2028b']) assert.doesNotMatch(name, ORIGIN_PATTERN)
})
