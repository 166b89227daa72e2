import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { page } from './pages.ts'

test('following the cursors shows every row once and in order, and the last page has none', () => {
  fc.assert(
    fc.property(fc.nat(30), fc.integer({ min: 1, max: 8 }), (count, limit) => {
      const rows = Array.from({ length: count }, (_, i) => ({ id: i + 1 }))
      const seen: string[] = []
      let cursor: string | null = '0'
      while (cursor !== null) {
        // What a query does: keys behind the cursor, one more than is shown.
        const found = rows.filter(({ id }) => id > Number(cursor)).slice(0, limit + 1)
        const one = page(
          found,
          limit,
          ({ id }) => id,
          ({ id }) => `row ${id}`,
        )
        assert.ok(one.items.length <= limit)
        assert.equal(one.next_cursor !== null, found.length > limit)
        seen.push(...one.items)
        cursor = one.next_cursor
      }
      assert.deepEqual(
        seen,
        rows.map(({ id }) => `row ${id}`),
      )
    }),
  )
})
