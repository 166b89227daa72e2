/**
 * Witnesses without a log behind them: cosignatures as others make them, policies, and the protocol over HTTP. The note below is what
 * filippo.io/torchwood v0.9.0 and golang.org/x/mod/sumdb/note v0.43.0 make of these keys, and github.com/transparency-dev/formats v0.1.1 opens.
 */
import assert from 'node:assert/strict'
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { allowedHosts } from '@sightline/service-kit/allowed-hosts'
import { cosign, cosignatureIn, cosignaturesOf, readWitnessKey } from './cosignature.ts'
import { consistencyRanges, foldHashes, hashesOf, leafHash, rootRanges, type TileId } from './merkle.ts'
import { readVerifierKey, SIGNATURE, signTreeCheckpoint, verifierKey } from './note.ts'
import { quorumOf, readPolicy } from './policy.ts'
import { beginWitness, openWitness } from './witness.ts'
import { serveWitness } from './witness-server.ts'
import { agreedBy, forkAmong, readWitnessed } from './witnessed.ts'

const ORIGIN = 'example.com/log'
/** Ed25519 keys of 32 equal bytes, in the wrapping of PKCS #8. */
const keyOf = (byte: number) =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), Buffer.alloc(32, byte)]),
    format: 'der',
    type: 'pkcs8',
  })
const logKey = keyOf(7)
const logs = [readVerifierKey(verifierKey(ORIGIN, createPublicKey(logKey)), SIGNATURE.ed25519)]
const witnessKey = keyOf(9)
const VKEY = 'witness.example/w1+24b5d9fe+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY'
const TEXT = 'example.com/log\n1\nbjQLnP+zepicpUTmu3gKLHiQHT+zNzh2hRGjBhevoB0=\n'
const LINE =
  '— witness.example/w1 JLXZ/gAAAABrDRZIlOEHYYZkJNIDVOETPKtKFO+UIGNjrt3RIdhSBJdTP446tEnH4gYIffqIKB1VXuFz16B8uYDOrtRJbedR5HcCAQ==\n'
const NOTE = `${TEXT}\n— example.com/log cC88cOQOCDVw9POeAQGm6n4J/2xZ8l8AmW2eC2fhKuOemc6pzVdRKOAxPRpbrKYQJ3Qvz/1iVuqSzOvAvbNoM4Q18wQ=\n${LINE}`
const SECONDS = 0x6b0d1648

const vkey = (name: string, key: KeyObject) => verifierKey(name, createPublicKey(key), SIGNATURE.cosignature)

test('a cosignature is the one that others make, and reads as theirs', () => {
  const w1 = readWitnessKey(VKEY)
  assert.equal(cosign(TEXT, 'witness.example/w1', witnessKey, SECONDS), LINE)
  assert.equal(vkey('witness.example/w1', witnessKey), VKEY)
  assert.deepEqual(cosignaturesOf(NOTE, [w1]), [{ witness: w1, seconds: SECONDS, line: LINE }])
  assert.equal(cosignatureIn(`${cosign(TEXT, 'other', keyOf(3), 5)}${LINE}`, NOTE, w1)?.seconds, SECONDS)
  assert.equal(cosignatureIn(cosign(TEXT, 'other', keyOf(3), 5), NOTE, w1), undefined)
  const again = cosign(TEXT, 'witness.example/w1', witnessKey, SECONDS + 5)
  assert.equal(cosignaturesOf(NOTE + again, [w1])[0]!.seconds, SECONDS + 5, 'a witness counts once')
  for (const changed of [NOTE.replace('\n1\n', '\n2\n'), NOTE.replace('AAAAAGs', 'AAAAAGt').replace('lOEH', 'lOEI')])
    assert.throws(() => cosignaturesOf(changed, [w1]), /signature of the witness witness.example\/w1 does not fit/)
  const log = verifierKey(ORIGIN, createPublicKey(logKey))
  assert.throws(() => readWitnessKey(log), /signature type 1; a witness's is 4/)
  assert.throws(() => readWitnessKey(VKEY.replace('24b5', '24b6')), /contradicts itself/)
  for (const none of ['', 'w1', VKEY.slice(0, -4), VKEY.replace('witness.', 'wit ness.')])
    assert.throws(() => readWitnessKey(none), /is no verifier key/, none)
})

test('a policy says who is enough, and a wrong one which line is wrong', () => {
  const keys = [1, 2, 3].map((n) => readWitnessKey(vkey(`w${n}`, keyOf(n))))
  const by = (...numbers: number[]) =>
    numbers.map((n) => ({ witness: policy.witnesses[n - 1]!.key, seconds: 1, line: '' }))
  const lines = keys.map(({ text }, n) => `witness ${'abc'[n]} ${text} http://127.0.0.1:${n + 1}/`)
  const policy = readPolicy(
    `# who\nlog ${logs[0]!.text}\n${lines.join('\n')}\n\ngroup two any b c\ngroup all all a two\nquorum\tall\n`,
  )
  assert.deepEqual([policy.logs.length, policy.witnesses.map(({ url }) => url?.at(-2))], [1, ['1', '2', '3']])
  assert.equal(policy.lacks(by(1, 3)), undefined)
  assert.match(policy.lacks(by(2, 3))!, /2 of 3 witnesses have signed it, which is no quorum: w1 did not/)
  assert.match(policy.lacks([])!, /0 of 3/)
  assert.equal(readPolicy('quorum none').lacks([]), undefined)
  const two = quorumOf(policy.witnesses, 2)
  assert.match(
    two.lacks(two.witnesses.slice(0, 1).map(({ key }) => ({ witness: key, seconds: 1, line: '' })))!,
    /1 of 3/,
  )
  for (const [text, wrong] of [
    ['', /has no quorum/],
    ['quorum a', /line 1 .*no line above defines a/],
    [`${lines[0]}\nwitness b ${keys[0]!.text}\nquorum a`, /line 2 .*is there already/],
    [`${lines[0]}\n${lines[1]}\ngroup g 3 a b\nquorum g`, /line 3 .*3 of 2: write all, any/],
    [`${lines[0]}\ngroup g any a a\nquorum g`, /a is in a group already/],
    [`${lines[0]}\nquorum a\nquorum a`, /a quorum already/],
    [`${lines[0]}\n${lines[0]!.replace('witness a', 'witness none')}`, /line 2/],
    ['witnesses 2', /witnesses is none of log, witness, group, quorum/],
    [`witness a ${keys[0]!.text} ftp://x\nquorum a`, /no http\(s\) URL/],
  ] as const)
    assert.throws(() => readPolicy(text), wrong, text)
})

/** A log of so many rows in memory. */
function logOf(rows: string[]) {
  const leaves = rows.map((row) => leafHash(row))
  const levels = [
    leaves,
    Array.from({ length: Math.floor(leaves.length / 256) }, (_, n) => foldHashes(leaves.slice(n * 256, n * 256 + 256))),
  ]
  const read = ({ level, number }: TileId) => Buffer.concat(levels[level]!.slice(number * 256, number * 256 + 256))
  const root = (size: number) => (size === 0 ? createHash('sha256').digest() : hashesOf(rootRanges(size), read)[0]!)
  const note = (size: number, key = logKey) => signTreeCheckpoint({ size, root: root(size) }, ORIGIN, key).note
  const proof = (from: number, to: number) =>
    from === 0 ? [] : hashesOf(consistencyRanges(from, to), read).map((hash) => `${hash.toString('base64')}\n`)
  return { note, body: (from: number, to: number) => `old ${from}\n${proof(from, to).join('')}\n${note(to)}` }
}
const rows = (count: number, more = '') => Array.from({ length: count }, (_, n) => `row ${n}${more}`)

/** A witness that was begun here, and how it is asked. */
async function startWitness(t: TestContext, name: string, key: KeyObject, clock = () => SECONDS * 1000) {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-witness-'))
  t.after(() => fs.rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'state')
  beginWitness(file, name, key)
  const told: string[] = []
  const open = () => openWitness(file, key, logs, (event, what) => told.push(`${event} ${what}`), clock)
  let witness = open()
  const serve = () => serveWitness(witness, { host: '127.0.0.1', port: 0, hosts: allowedHosts() }, assert.fail)
  let server = await serve()
  t.after(() => server.close().then(witness.close))
  const ask = async (where: string, body?: string, headers = {}) => {
    const response = await fetch(
      `${server.url}${where}`,
      body === undefined ? { headers } : { method: 'POST', body, headers },
    )
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
  }
  return {
    file,
    told,
    open,
    ask,
    add: (body: string) => ask('/add-checkpoint', body),
    latest: () => ask(`/${createHash('sha256').update(ORIGIN).digest('hex')}/checkpoint`),
    async restart() {
      await server.close()
      witness.close()
      witness = open()
      server = await serve()
    },
  }
}

test('a witness signs one history, over HTTP as tlog-witness has it, and keeps it over a restart', async (t) => {
  const log = logOf(rows(700))
  const { add, ask, latest, restart, told } = await startWitness(t, 'w', witnessKey)
  const w = readWitnessKey(vkey('w', witnessKey))
  const none = await latest()
  assert.deepEqual([none.status, none.type], [404, 'application/problem+json'])
  const first = await add(log.body(0, 300))
  assert.deepEqual([first.status, first.type], [200, 'text/plain; charset=utf-8'])
  assert.equal(cosignatureIn(first.text, log.note(300), w)?.seconds, SECONDS)
  await restart()
  const behind = await add(log.body(0, 400))
  assert.deepEqual([behind.status, behind.type, behind.text], [409, 'text/x.tlog.size', '300\n'])
  assert.equal((await add(log.body(300, 300))).status, 200, 'the same again, with another date')
  assert.equal((await add(log.body(300, 700))).status, 200)
  assert.equal((await add(log.body(300, 700))).text, '700\n', 'the other one of two at once')
  const kept = await latest()
  assert.equal(kept.text, `${log.note(700)}${cosign(`${log.note(700).split('\n\n')[0]!}\n`, 'w', witnessKey, SECONDS)}`)
  const text = `${rows(3).join('\n')}\n`
  const huge = 'x'.repeat(70_000)
  for (const [body, status, why] of [
    [log.body(700, 700).replace('old 700', 'old 701'), 400, /larger than the checkpoint's/],
    [log.body(700, 700).replace('old 700', 'old 0700'), 400, /The body is: old SIZE/],
    [log.body(700, 700).replace('old 700\n', 'old 700\nAAAA\n'), 400, /AAAA is no hash/],
    [`old 0\n${'n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg=\n'.repeat(64)}\n${log.note(3)}`, 400, /63 hashes at most/],
    [`old 0\n\n${text}`, 400, /no checkpoint of a tree/],
    ['', 400, /The body is/],
    [log.body(700, 700).replaceAll(ORIGIN, 'example.com/other'), 404, /does not know the log example.com\/other/],
    [`old 700\n\n${log.note(700, keyOf(8))}`, 403, /no signature of this key/],
    [log.body(700, 700).replace('\n700\n', '\n699\n').replace('old 700', 'old 699'), 403, /does not fit/],
    [log.body(300, 700), 409, /^700\n$/],
    [huge, 413, /More than 65536 bytes/],
  ] as const) {
    const answer = await add(body)
    assert.equal(answer.status, status, answer.text)
    assert.match(answer.text, why)
  }
  assert.equal((await ask('/add-checkpoint')).status, 405)
  assert.equal((await ask('/')).status, 404)
  assert.equal((await ask('/add-checkpoint', log.body(0, 1), { Origin: 'http://elsewhere.example' })).status, 403)
  assert.deepEqual(
    told.map((line) => line.slice(0, 8)),
    ['cosigned', 'cosigned', 'cosigned'],
  )
})

test('a witness names a fork, of equal and of other size, signs none of it, and keeps what shows it', async (t) => {
  const [log, other] = [logOf(rows(400)), logOf([...rows(299), 'another', ...rows(101, ' later')])]
  const { add, latest, told, file } = await startWitness(t, 'w', witnessKey)
  assert.equal((await add(log.body(0, 300))).status, 200)
  const equal = await add(other.body(300, 300))
  assert.equal(equal.status, 422)
  assert.match(
    equal.text,
    /FORK: the log has signed two trees of 300 rows, one of root \S+, which this witness has signed, and this one/,
  )
  const larger = await add(other.body(300, 400))
  assert.equal(larger.status, 422)
  assert.match(
    larger.text,
    /does not lead from the tree of 300 rows, which this witness has signed, to this one of 400.*FORK/,
  )
  assert.equal((await add(other.body(0, 250))).text, '300\n', 'a smaller one finds that it is larger')
  assert.equal((await add(other.body(300, 300))).status, 422)
  assert.match((await latest()).text, new RegExp(`^${log.note(300).split('\n\n')[0]}`))
  assert.equal((await add(log.body(300, 400))).status, 200, 'the log that it knows goes on')
  assert.deepEqual(
    told.map((line) => line.split(':')[0]),
    ['cosigned example.com/log', ...Array(3).fill('refused example.com/log'), 'cosigned example.com/log'],
  )
  assert.ok(fs.statSync(file).size > 0)
  // Whoever has both notes sees it without the witness.
  const policy = quorumOf([{ key: readWitnessKey(vkey('w', witnessKey)), url: undefined }])
  const read = (note: string) => readWitnessed(note, ORIGIN, createPublicKey(logKey), policy)
  assert.match(
    forkAmong([log.note(300), other.note(300)].map(read))!,
    /FORK: example.com\/log has signed two trees of 300 rows/,
  )
  assert.equal(forkAmong([log.note(300), log.note(400)].map(read)), undefined)
})

test('a state is begun once, for one key, and two processes on it take turns', async (t) => {
  const log = logOf(rows(20))
  let now = 5_000
  const { file, open, add } = await startWitness(t, 'w', witnessKey, () => now)
  assert.throws(() => beginWitness(file, 'w', witnessKey), { code: 'EEXIST' })
  assert.throws(() => openWitness(file, keyOf(3), logs, () => {}), /state of w with another key/)
  assert.throws(() => openWitness(`${file}2`, witnessKey, logs, () => {}), /no .*state2: --begin makes a new witness/)
  fs.writeFileSync(`${file}3`, 'x'.repeat(5_000))
  assert.throws(
    () => openWitness(`${file}3`, witnessKey, logs, () => {}),
    /state3 is no state of a witness that was begun: /,
  )
  const second = open()
  t.after(() => second.close())
  assert.equal((await add(log.body(0, 10))).status, 200)
  assert.equal(second.addCheckpoint(log.body(0, 12)).body, '10\n')
  assert.equal(second.addCheckpoint(log.body(10, 20)).status, 200)
  assert.equal((await add(log.body(10, 15))).text, '20\n')
  now = 1_000
  const w = readWitnessKey(vkey('w', witnessKey))
  const later = await add(log.body(20, 20))
  assert.equal(
    cosignatureIn(later.text, log.note(20), w)?.seconds,
    5,
    'a clock that was set back dates nothing earlier',
  )
})

test('who has signed a larger tree stands for the smaller ones, too', () => {
  const log = logOf(rows(30))
  const keys = [1, 2].map((n) => readWitnessKey(vkey(`w${n}`, keyOf(n))))
  const policy = quorumOf(keys.map((key) => ({ key, url: undefined })))
  const signed = (size: number, n: number, seconds: number) => {
    const note = log.note(size)
    const line = cosign(`${note.split('\n\n')[0]}\n`, `w${n}`, keyOf(n), seconds)
    return readWitnessed(note + line, ORIGIN, createPublicKey(logKey), policy)
  }
  assert.deepEqual(agreedBy(policy, [signed(30, 1, 100), signed(20, 2, 90)]), { size: 20, seconds: 90 })
  assert.match((agreedBy(policy, [signed(30, 1, 100)]) as { lacks: string }).lacks, /1 of 2 .* w2 did not/)
  assert.match((agreedBy(policy, []) as { lacks: string }).lacks, /0 of 2/)
})
