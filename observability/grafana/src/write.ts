/** Writes the dashboards as JSON: `node observability/grafana/src/write.ts`. A test fails when the files aren't what this writes. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderBoards } from './render.ts'

const folder = join(import.meta.dirname, '../dashboards')
for (const { file, json } of renderBoards()) writeFileSync(join(folder, file), json)
