/** What has been answered right so far, in the state folder: `npm run reset` forgets it with all else. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Lesson, Verdict } from './question.ts'

/** Lesson's id to which of its questions have been answered right once. */
export type Progress = Record<string, boolean[]>

const fileIn = (home: string) => join(home, 'learn/progress.json')

/** Empty where there is no file yet. Throws what to do when the file can't be read as one of ours. */
export function readProgress(home: string): Progress {
  const file = fileIn(home)
  if (!existsSync(file)) return {}
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Progress
  } catch {
    throw new Error(`${file} is damaged. Remove it: progress is forgotten, nothing else.`)
  }
}

/** Adds what is right now to what was before; returns all of it. */
export function noteProgress(home: string, { id }: Lesson, verdicts: readonly Verdict[]): Progress {
  const known = readProgress(home)
  const progress = { ...known, [id]: verdicts.map((verdict, n) => verdict.right || known[id]?.[n] === true) }
  const file = fileIn(home)
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  // Whole or not at all, also when the disk is full or the power goes.
  writeFileSync(`${file}.new`, `${JSON.stringify(progress, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${file}.new`, file)
  return progress
}
