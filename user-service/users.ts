/** SQL of the users table. */
import type { User } from '@sightline/contracts'
import { type Queries, sql } from '@sightline/service-kit'

interface UserRow {
  id: number
  name: string | null
  email: string | null
  created_at: Date
  updated_at: Date
}

const FIND = sql('find_user', 'select id, name, email, created_at, updated_at from users where id = $1')
const LIST = sql(
  'list_users',
  // bigint: a cursor may lie beyond what an id can be.
  'select id, name, email, created_at, updated_at from users where id > $1::bigint order by id limit $2',
)
/** Two requests for one user may meet here: the later one updates what it brings, and leaves the rest. */
const STORE = sql(
  'store_user',
  `insert into users (id, name, email) values ($1, $2, $3)
   on conflict (id) do update set name = coalesce(excluded.name, users.name),
     email = coalesce(excluded.email, users.email), updated_at = now()
   returning id, name, email, created_at, updated_at`,
)

export interface Users {
  find(id: number): Promise<User | undefined>
  /** Users with an id above `after`, by id. */
  list(limit: number, after?: number): Promise<User[]>
  store(id: number, name: string | null, email: string | null): Promise<User>
}

export function createUsers(database: Queries): Users {
  return {
    async find(id) {
      const [row] = await database.query<UserRow>(FIND, [id])
      return row && shown(row)
    },
    async list(limit, after = 0) {
      const rows = await database.query<UserRow>(LIST, [after, limit])
      return rows.map(shown)
    },
    async store(id, name, email) {
      const [row] = await database.query<UserRow>(STORE, [id, name, email])
      return shown(row!)
    },
  }
}

function shown(row: UserRow): User {
  return { ...row, created_at: row.created_at.toISOString(), updated_at: row.updated_at.toISOString() }
}
