/**
 * `db/schema.sql` from a live catalogue: `node db/dump-schema.ts` migrates a throw-away database and writes the file, so
 * that a review sees the whole schema and a test sees any drift. It is documentation: migrations alone change databases.
 */
import * as fs from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type pg from 'pg'
import { migrate } from './migrate.ts'
import { startPostgres } from './server.ts'
import { withClient } from './with-client.ts'

export const SCHEMA_FILE = fileURLToPath(new URL('schema.sql', import.meta.url))

const TABLES = `
  select c.oid, c.relname as name, c.relkind as kind,
    (select string_agg(format('  %I %s%s%s', a.attname, format_type(a.atttypid, a.atttypmod),
        case when a.attidentity <> '' then ' generated always as identity'
             when d.adbin is not null then ' default ' || pg_get_expr(d.adbin, d.adrelid) else '' end,
        case when a.attnotnull then ' not null' else '' end), E',\\n' order by a.attnum)
     from pg_attribute a left join pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
     where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped) as columns,
    (select string_agg(format('  constraint %I %s', n.conname, pg_get_constraintdef(n.oid)), E',\\n' order by n.contype, n.conname)
     from pg_constraint n where n.conrelid = c.oid and n.contype in ('p', 'u', 'f', 'c')) as constraints,
    case when c.relkind = 'v' then pg_get_viewdef(c.oid) end as view
  from pg_class c
  where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'v') and c.relname <> 'schema_migrations'
  order by c.relkind, c.relname`

const INDEXES = `
  select pg_get_indexdef(i.indexrelid) as text from pg_index i join pg_class c on c.oid = i.indexrelid
  where c.relnamespace = 'public'::regnamespace
    and not exists (select from pg_constraint n where n.conindid = i.indexrelid)
    and i.indrelid <> 'schema_migrations'::regclass
  order by c.relname`

const FUNCTIONS = `
  select pg_get_functiondef(oid) as text from pg_proc where pronamespace = 'public'::regnamespace order by proname`

const TRIGGERS = `
  select pg_get_triggerdef(t.oid) as text from pg_trigger t join pg_class c on c.oid = t.tgrelid
  where c.relnamespace = 'public'::regnamespace and not t.tgisinternal order by c.relname, t.tgname`

/** Of tables, views, single columns and functions, per role; what the owner may do goes without saying. */
const GRANTS = `
  select grantee || ' on ' || object as key, string_agg(privilege, ', ' order by privilege) as privileges, grantee, object
  from (
    select table_name::text as object, grantee::text, lower(privilege_type) as privilege
    from information_schema.table_privileges where table_schema = 'public'
    union all
    select p.table_name, p.grantee, format('%s (%s)', lower(p.privilege_type), string_agg(p.column_name, ', ' order by p.column_name))
    from information_schema.column_privileges p
    where p.table_schema = 'public' and not exists (
      select from information_schema.table_privileges t
      where t.table_schema = 'public' and t.table_name = p.table_name and t.grantee = p.grantee
        and t.privilege_type = p.privilege_type)
    group by p.table_name, p.grantee, p.privilege_type
    union all
    select 'function ' || f.oid::regprocedure, g.grantee::regrole::text, lower(g.privilege_type)
    from pg_proc f, aclexplode(f.proacl) g where f.pronamespace = 'public'::regnamespace and g.grantee <> 0
  ) all_privileges
  where grantee like '%\\_service'
  group by grantee, object order by grantee, object`

/** The schema `public` as SQL text, in an order that depends on names alone. */
export async function dumpSchema(client: pg.ClientBase): Promise<string> {
  const parts = [
    '-- The schema after all migrations. Written by db/dump-schema.ts; change migrations, then write it anew.',
  ]
  // Without a search path the catalogue would print names with and without schema, by the reader's settings.
  await client.query(`set search_path = public`)
  for (const { name, kind, columns, constraints, view } of (await client.query(TABLES)).rows) {
    if (kind === 'v') parts.push(`create view ${name} as\n${view}`)
    else parts.push(`create table ${name} (\n${[columns, constraints].filter(Boolean).join(',\n')}\n);`)
  }
  for (const query of [INDEXES, FUNCTIONS, TRIGGERS]) {
    const { rows } = await client.query<{ text: string }>(query)
    parts.push(
      rows.map(({ text }) => `${text.trim().replaceAll('public.', '')};`).join(query === FUNCTIONS ? '\n\n' : '\n'),
    )
  }
  const { rows: grants } = await client.query<{ privileges: string; grantee: string; object: string }>(GRANTS)
  parts.push(
    grants.map(({ privileges, grantee, object }) => `grant ${privileges} on ${object} to ${grantee};`).join('\n'),
  )
  return `${parts.join('\n\n')}\n`
}

if (import.meta.main) {
  fs.writeFileSync(SCHEMA_FILE, await withThrowAwayDatabase(dumpSchema))
  console.log(`${SCHEMA_FILE} is written`)
}

async function withThrowAwayDatabase<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
  const folder = fs.mkdtempSync(path.join(tmpdir(), 'sightline-schema-'))
  // Started by root, the server is another user.
  fs.chmodSync(folder, 0o755)
  const password = 'throw-away'
  const server = await startPostgres({ dataDir: path.join(folder, 'data'), port: 0, password, durable: false })
  try {
    const { host, port, user } = server
    const connection = { host, port, user, password, database: 'sightline' }
    await migrate({ connection, rolePasswords: { user_service: '-', order_service: '-', audit_service: '-' } })
    return await withClient(connection, work)
  } finally {
    await server.stop()
    fs.rmSync(folder, { recursive: true, force: true })
  }
}
