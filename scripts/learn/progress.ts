/** What has been answered right so far, in the state folder: `npm run reset` forgets it with all else. */
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { writeWhole } from '@sightline/service-kit/whole-file'
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
  writeWhole(file, `${JSON.stringify(progress, null, 2)}\n`)
  return progress
}
