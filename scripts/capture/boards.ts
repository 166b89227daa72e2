/** The boards, and what the SQL of their panels finds: who opens a capture has no database. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { maskedText } from '@sightline/console/masks'
import { root } from '@sightline/local/settings'
import { away } from '../incident/place.ts'
import type { Archive } from './archive.ts'
import { BOARD_NAME, boardName, NAMES } from './format.ts'
import type { Notes, Range } from './run.ts'

/** What local mode and the stack show. */
const FOLDER = join(root, 'observability/grafana/dashboards')

interface Panel {
  id?: number
  panels?: Panel[]
  targets?: { refId?: string; rawSql?: string }[]
}

interface Board {
  uid?: string
  panels?: Panel[]
  templating?: { list?: { name: string; query?: unknown; current?: { value?: unknown } }[] }
}

/** Writes the files as they are, then what their SQL finds in the range. Resolves to how many boards. */
export async function captureBoards(consoleUrl: string, range: Range, archive: Archive, notes: Notes): Promise<number> {
  const boards: Board[] = []
  let count = 0
  for (const file of readdirSync(FOLDER).sort()) {
    const name = boardName(file)
    if (!BOARD_NAME.test(name)) {
      if (file.endsWith('.json'))
        notes.leaveOut(`Board ${file}: its name has more than letters, digits, ".", "_" and "-".`)
      continue
    }
    const text = readFileSync(join(FOLDER, file), 'utf8')
    await archive.add(name, (write) => write(text))
    count++
    try {
      boards.push(JSON.parse(text) as Board)
    } catch {
      notes.leaveOut(`What panels of ${file} show: it is no JSON.`)
    }
  }
  await archive.add(NAMES.panels, async (write) => {
    for (const question of boards.flatMap(questionsOf)) {
      const answer = await ask(consoleUrl, question, range, notes)
      if (answer) await write(`${JSON.stringify({ ...question.about, answer })}\n`)
    }
  })
  return count
}

interface Question {
  about: { dashboard: string; panel: number; refId: string }
  variables: Record<string, string>
}

function questionsOf({ uid = '', panels = [], templating }: Board): Question[] {
  const values = (templating?.list ?? []).map(({ name, query, current }) => [`var-${name}`, current?.value ?? query])
  const variables = Object.fromEntries(values.map(([name, value]) => [name, typeof value === 'string' ? value : '']))
  const all = panels.flatMap((panel) => [panel, ...(panel.panels ?? [])])
  return all.flatMap(({ id = 0, targets = [] }) =>
    targets
      .filter(({ rawSql }) => rawSql)
      .map(({ refId = 'A' }) => ({ about: { dashboard: uid, panel: id, refId }, variables })),
  )
}

interface Frame {
  schema: { fields: { name: string }[] }
  data: { values: unknown[][] }
}

/** With the variables as a board has them when it is opened. Null where there is nobody to ask: the console alone runs this SQL. */
async function ask(consoleUrl: string, question: Question, range: Range, { leaveOut }: Notes): Promise<Frame | null> {
  const { dashboard, panel, refId } = question.about
  const form = {
    dashboard,
    panel: String(panel),
    refId,
    from: String(range.from),
    to: String(range.to),
    intervalMs: '1000',
  }
  const signal = AbortSignal.timeout(30_000)
  const response = await fetch(`${consoleUrl}/api/postgres/query`, {
    method: 'POST',
    body: new URLSearchParams({ ...form, ...question.variables }),
    signal,
  }).catch((error: unknown) => {
    throw away('The console', consoleUrl, error)
  })
  const text = await response.text()
  if (!response.ok || !text.startsWith('{"schema"')) {
    leaveOut(`What the SQL of panel ${panel} of board ${dashboard} finds: ${consoleUrl} answered ${response.status}.`)
    return null
  }
  const { schema, data } = JSON.parse(text) as Frame
  const values = data.values.map((column, at) =>
    column.map((value) => (typeof value === 'string' ? maskedText(schema.fields[at]?.name ?? '', value) : value)),
  )
  return { schema, data: { values } }
}
