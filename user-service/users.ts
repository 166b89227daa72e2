/** SQL of users. */
import type { User } from '@sightline/contracts'
import { type Queries, repeatable } from '@sightline/service-kit'

export interface UserRow {
  id: number
  name: string | null
  email: string | null
  created_at: Date
  updated_at: Date
}

const FIND = repeatable('find_user', 'select id, name, email, created_at, updated_at from users where id = $1')
const LIST = repeatable(
  'list_users',
  // bigint: a cursor may lie beyond what an id can be.
  'select id, name, email, created_at, updated_at from users where id > $1::bigint order by id limit $2',
)
/** Two requests for one user may meet here: the later one updates what it brings, and leaves the rest. */
const STORE = repeatable(
  'store_user',
  `insert into users (id, name, email) values ($1, $2, $3)
   on conflict (id) do update set name = coalesce(excluded.name, users.name),
     email = coalesce(excluded.email, users.email), updated_at = now()
   returning id, name, email, created_at, updated_at`,
)

/** undefined when there is no such user. */
export async function findUser(database: Queries, id: number): Promise<UserRow | undefined> {
  const [row] = await database.query<UserRow>(FIND, [id])
  return row
}

/** Users with an id above `after`, by id. */
export function listUsers(database: Queries, limit: number, after = 0): Promise<UserRow[]> {
  return database.query<UserRow>(LIST, [after, limit])
}

/** Adds the user, or updates the fields that are not null; resolves to the row as it is then. */
export async function storeUser(
  database: Queries,
  id: number,
  name: string | null,
  email: string | null,
): Promise<UserRow> {
  const [row] = await database.query<UserRow>(STORE, [id, name, email])
  return row!
}

/** The row as the API shows it. */
export function toUserView(row: UserRow): User {
  return { ...row, created_at: row.created_at.toISOString(), updated_at: row.updated_at.toISOString() }
}
