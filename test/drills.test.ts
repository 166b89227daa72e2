/**
 * The drills of `npm run drill`, each for a moment, one after the other on one system; then proof that their checks can
 * fail; then a search of everything that was left behind for what must not be in it.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { after, before, test } from 'node:test'
import { until } from '@sightline/service-kit/poll'
import pg from 'pg'
import { closeBooks, openBooks, verifyChain } from '../scripts/drills/books.ts'
import { type Drill, type DrillOptions, type DrillRun, drillEnvironment, runDrill } from '../scripts/drills/drill.ts'
import { drills } from '../scripts/drills/index.ts'
import { startSystem, type TestSystem } from './system.ts'

// As many clients as in earnest, who ask less often: two cores are to be busy with the fault and not with the load.
const options: DrillOptions = { kills: 2, seconds: 0.5, minutes: 0.05, auditWithinSeconds: 30, pauseMs: 3_000 }
const perDrill: Record<string, Partial<DrillOptions>> = { 'rolling-restart': { kills: 3 } }
let system: TestSystem
let owner: pg.Pool

before(async () => {
  // A fresh event is left alone for 15 s in earnest; here the relay may come sooner, and twice is as good as once.
  const env = { ...drillEnvironment(drills), OUTBOX_GRACE_MS: '1000' }
  system = await startSystem({ env, onEnd: 'ignore' })
  owner = new pg.Pool(system.postgres)
  owner.on('error', () => undefined)
})
after(async () => {
  await owner?.end()
  await system?.[Symbol.asyncDispose]()
})

for (const drill of drills) {
  test(`drill ${drill.name}`, { skip: drill.unavailable?.() ?? false }, async () => {
    const said: string[] = []
    const outcome = await runDrill(drill, system, { ...options, ...perDrill[drill.name] }, (line) => said.push(line))
    assert.ok(outcome.kept, said.join('\n'))
  })
}

/** A second of load with something broken; resolves to the promises that were not kept. */
async function broken(begin: (run: DrillRun) => Promise<unknown>, end: (run: DrillRun) => Promise<unknown>) {
  const drill: Drill = {
    name: 'broken on purpose',
    does: '',
    async run(run) {
      const opening = await openBooks(run)
      await begin(run)
      const load = run.load({ keyed: 0 })
      await until('twenty orders are sent', 20, () => load.sent.length > 20)
      await load.stop()
      await end(run)
      await closeBooks(run, load, opening)
    },
  }
  const { kept, lines } = await runDrill(drill, system, { ...options, auditWithinSeconds: 3 }, () => undefined)
  assert.equal(kept, false)
  return lines.filter((line) => line.startsWith('FAIL')).join('\n')
}

test('the checks fail when audit rows are not unique', async () => {
  const missed = await broken(
    async () => {
      await owner.query(`alter table audit_logs drop constraint audit_logs_event_id_key`)
    },
    async () => {
      await owner.query(`
        insert into audit_logs (event_id, event_type, occurred_at, source, user_id, order_id, action, details)
        select event_id, event_type, occurred_at, source, user_id, order_id, action, details from audit_logs order by id limit 1`)
    },
  )
  assert.match(missed, /every order has exactly one audit row/)
  // In one transaction that keeps away who seals and who builds the tree.
  await owner.query(`
    select from audit_sealing for update;
    select from audit_growing for update;
    alter table audit_logs disable trigger audit_logs_no_removal;
    alter table audit_chain disable trigger audit_chain_no_removal;
    delete from audit_logs a using audit_logs b where a.event_id = b.event_id and a.id > b.id;
    delete from audit_unsealed u where not exists (select from audit_logs a where a.id = u.audit_id);
    alter table audit_logs enable trigger audit_logs_no_removal;
    alter table audit_logs add constraint audit_logs_event_id_key unique (event_id);
    -- The copy may have been sealed: the chain up to it stays, as it was before.
    delete from audit_chain c where c.position >=
      (select min(position) from audit_chain d where not exists (select from audit_logs a where a.id = d.audit_id));
    insert into audit_unsealed (audit_id) select id from audit_logs a
      where not exists (select from audit_chain c where c.audit_id = a.id) on conflict do nothing;
    alter table audit_chain enable trigger audit_chain_no_removal;
    -- And so the tree, which is built anew of the chain.
    alter table audit_tiles disable trigger audit_tiles_append_only;
    delete from audit_tiles;
    alter table audit_tiles enable trigger audit_tiles_append_only;
    update outbox set dead_at = null, attempts = 0, next_attempt_at = now()`)
  await whole()
})

test('the checks fail when the outbox is left out', async () => {
  const missed = await broken(
    async () => {
      await owner.query(`
        create function leave_out() returns trigger language plpgsql as 'begin return null; end';
        create trigger leave_out before insert on outbox for each row execute function leave_out()`)
      await system.stopComponent('audit-service')
    },
    () => system.startComponent('audit-service'),
  )
  assert.match(missed, /every order has exactly one audit row/)
  await owner.query(`drop trigger leave_out on outbox; drop function leave_out`)
  await owner.query(`
    delete from idempotency_keys where order_id in (select id from orders o where not exists (select from audit_logs a where a.order_id = o.id));
    delete from order_items i where not exists (select from audit_logs a where a.order_id = i.order_id);
    delete from orders o where not exists (select from audit_logs a where a.order_id = o.id)`)
  await whole()
})

test('the checks fail when a piece of stock is gone that nobody ordered', async () => {
  const missed = await broken(
    async () => undefined,
    () => owner.query(`update inventory set on_hand = on_hand - 1 where product_id = 'laptop-001'`),
  )
  assert.match(missed, /stock balances.*laptop-001/)
})

test('the checks fail when two rows are sealed in the wrong order', async () => {
  const swap = `
    alter table audit_chain disable trigger audit_chain_append_only;
    update audit_chain set audit_id = -audit_id where position in (5, 6);
    update audit_chain c set audit_id = -d.audit_id from audit_chain d where c.position in (5, 6) and d.position = 11 - c.position;
    alter table audit_chain enable trigger audit_chain_append_only`
  await owner.query(swap)
  const { status, fault } = await verifyChain(system.urls.gateway)
  assert.equal(status, 'broken')
  assert.match(fault!, /^broken at position 5: /)
  await owner.query(swap)
  assert.equal((await verifyChain(system.urls.gateway)).status, 'intact')
})

/** The system is right again after something was broken on purpose. */
function whole() {
  return until('every order has one audit row, and the chain is intact', 20, async () => {
    const { rows } = await owner.query(
      'select count(*)::int as wrong from orders o where (select count(*) from audit_logs a where a.order_id = o.id) <> 1',
    )
    assert.equal(rows[0].wrong, 0)
    return (await verifyChain(system.urls.gateway)).status === 'intact'
  })
}

const person = { user_name: 'Zebulon Quackenbush', user_email: 'zebulon.quackenbush@example.org' }
/** The marker, and the customers of the drills, which went through every failure above. */
const personal = /zebulon|quackenbush|Drill Customer \d|drill-\d+@example\.com/i

test('no password and no personal data in logs, telemetry or errors', async () => {
  const requests = [
    await system.api('POST', '/api/v1/process', { user_id: 77_001, action: 'purchase', ...person }),
    await system.api('POST', '/api/v1/process', { user_id: 77_001, action: 'not allowed!', ...person }),
    await system.api('POST', '/api/v1/process', { user_id: 77_001, action: 'a', ...person, [person.user_email]: 1 }),
    await system.api('POST', '/api/v1/process', `{"user_id":1,"user_email":"${person.user_email}"`),
    await system.api('POST', '/api/v1/process', {
      user_id: 77_001,
      action: 'a',
      ...person,
      items: [{ product_id: 'no-such-product', quantity: 1 }],
    }),
    await system.api('POST', '/api/v1/orders', {
      product_id: 'laptop-001',
      quantity: 1_000_000,
      customer_name: person.user_name,
      customer_email: person.user_email,
    }),
  ]
  await owner.query('alter table users rename to users_away')
  requests.push(await system.api('POST', '/api/v1/process', { user_id: 77_001, action: 'a', ...person }))
  await owner.query('alter table users_away rename to users')
  assert.deepEqual(
    requests.map(({ status }) => status),
    [200, 422, 422, 400, 404, 409, 500],
  )

  const passwords = Object.values(JSON.parse(readFileSync(join(system.home, 'passwords.json'), 'utf8')) as object)
  assert.ok(passwords.length >= 4)
  const secrets = new RegExp(passwords.map((password) => String(password).replace(/\W/g, '\\$&')).join('|'))
  // A 422 may quote the caller's own words to the caller; nothing else speaks of persons.
  for (const { status, text } of requests) {
    if (![200, 422].includes(status)) assert.doesNotMatch(text, personal, `an answer ${status}`)
  }
  for (const { text } of requests) assert.doesNotMatch(text, secrets)

  // Compressed blocks can't be read as text: what the queries show stands for them.
  for (const { headers } of requests) {
    const spans = await system.trace(headers.get('x-trace-id')!, 15, (found) => assert.ok(found.length > 1))
    const text = JSON.stringify(spans, (_, value) => (typeof value === 'bigint' ? String(value) : value))
    assert.doesNotMatch(text, personal)
    assert.doesNotMatch(text, secrets)
  }
  const lines = await until(
    'the log line of the refusal',
    15,
    () => system.logs('{job=~".+"}'),
    (found) => assert.ok(found.some(({ line }) => /422/.test(line))),
  )
  for (const { line, labels } of lines) {
    assert.doesNotMatch(line + JSON.stringify(labels), personal)
    assert.doesNotMatch(line + JSON.stringify(labels), secrets)
  }

  const searched = filesBelow(system.home).filter(
    (path) => !/^(postgres|prometheus\/data)\/|^passwords\.json$/.test(path),
  )
  assert.ok(searched.some((path) => path.startsWith('logs/order-service/')))
  for (const path of searched) {
    const text = readIfThere(join(system.home, path))
    assert.equal(personal.exec(text)?.[0], undefined, `personal data in ${path}`)
    assert.equal(secrets.test(text), false, `a password in ${path}`)
  }
})

/** Empty when it was rotated or merged away meanwhile. */
function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((path) => join(folder, path))
    .filter((path) => statSync(path, { throwIfNoEntry: false })?.isFile())
    .map((path) => relative(folder, path))
}
