/** All boards as the texts of their files. */
import { audit } from './audit.ts'
import { buildBoard } from './board.ts'
import { chain } from './chain.ts'
import { database } from './database.ts'
import { objectives } from './objectives.ts'
import { spans } from './spans.ts'
import { telemetryHealth } from './telemetry-health.ts'

export interface BoardFile {
  readonly file: string
  readonly json: string
}

/** One file per board, named by the rest of its uid. */
export const renderBoards = (): BoardFile[] =>
  [chain, objectives, database, audit, telemetryHealth, spans].map((board) => ({
    file: `${board.uid.replace('sightline-', '')}.json`,
    json: `${JSON.stringify(buildBoard(board), null, 2)}\n`,
  }))
