/** Every decision has its page in the one form, and its line in the index. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const folder = join(import.meta.dirname, 'adr')
const read = (file: string) => readFileSync(join(folder, file), 'utf8')
const pages = readdirSync(folder)
  .filter((file) => file !== 'README.md')
  .sort()

test('pages are numbered without a gap and have the one form', () => {
  assert.ok(pages.length > 0)
  for (const [i, file] of pages.entries()) {
    const number = String(i + 1).padStart(4, '0')
    assert.match(file, new RegExp(`^${number}-[a-z0-9-]+\\.md$`))
    const [title, , state] = read(file).split('\n')
    assert.match(title!, new RegExp(`^# ${number}: \\S`), file)
    assert.match(
      state!,
      /^\d{4}-\d{2}-\d{2} · (accepted|proposed|superseded by \[\d{4}\]\(\d{4}-[a-z0-9-]+\.md\))$/,
      file,
    )
    const sections = [...read(file).matchAll(/^## (.+)$/gm)].map(([, heading]) => heading)
    assert.deepEqual(sections, ['Context', 'Alternatives', 'Decision', 'Consequences'], file)
  }
})

test('the index has a line for each page, with its title and date', () => {
  const lines = [...read('README.md').matchAll(/^\| \[(\d{4})\]\((\S+)\) \| (.+) \| (\S+) \|$/gm)]
  assert.deepEqual(
    lines.map(([, number, file, title, date]) => [file, `# ${number}: ${title}`, date]),
    pages.map((file) => [file, read(file).split('\n')[0], read(file).split('\n')[2]!.slice(0, 10)]),
  )
})
