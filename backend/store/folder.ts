/** Main thread. The data folder: made when missing, refused when a newer version wrote it or another process has it. */
import { existsSync, mkdirSync, readFileSync, truncateSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { writeWhole } from '@sightline/service-kit/whole-file'

/** Raised when files change so that an older version can't read them. */
export const FORMAT = 1

export interface DataFolder {
  readonly path: string
  release(): void
}

/**
 * Throws an Error that says what to do. `warn` hears of what was found damaged and is not needed to go on. The lock is the operating system's: it ends with the process, however that ends.
 */
export function openFolder(path: string, warn: (message: string) => void = () => undefined): DataFolder {
  mkdirSync(join(path, 'blocks'), { recursive: true })
  const lock = lockFolder(path)
  try {
    checkFormat(path, warn)
  } catch (error) {
    lock.close()
    throw error
  }
  return { path, release: () => lock.close() }
}

/** Whether a process has the folder `path`; false where there is none. */
export function isFolderTaken(path: string): boolean {
  if (!existsSync(join(path, 'lock.db'))) return false
  try {
    takeLock(join(path, 'lock.db')).close()
    return false
  } catch (error) {
    return (error as { errcode?: number }).errcode !== NOT_A_DATABASE
  }
}

const ANOTHER = 'choose another folder: SIGHTLINE_HOME; where this runs alone EMBEDDED_DATA_DIR, or --data DIR.'

function lockFolder(path: string): DatabaseSync {
  const file = join(path, 'lock.db')
  try {
    return takeLock(file)
  } catch (error) {
    if ((error as { errcode?: number }).errcode === NOT_A_DATABASE) {
      // It holds nothing but the lock. Emptied in place: whoever holds this very file keeps it.
      truncateSync(file)
      return lockFolder(path)
    }
    throw new Error(`The folder ${path} is in use by another process. Stop that one, or ${ANOTHER}`, { cause: error })
  }
}

/** SQLITE_NOTADB */
const NOT_A_DATABASE = 26

function takeLock(file: string): DatabaseSync {
  const db = new DatabaseSync(file)
  try {
    db.exec('PRAGMA busy_timeout = 0; PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
    return db
  } catch (error) {
    db.close()
    throw error
  }
}

function checkFormat(path: string, warn: (message: string) => void): void {
  const file = join(path, 'FORMAT')
  const text = existsSync(file) ? readFileSync(file, 'utf8') : null
  if (text === null || isEmptied(text)) {
    // Only format 1 was ever written in a way that a power cut could empty.
    if (text !== null)
      warn(`${file} is empty, as after a power cut. It is written anew; the folder's data is read as it is.`)
    writeWhole(file, `${FORMAT}\n`)
    return
  }
  const found = Number(text)
  if (found > FORMAT) {
    throw new Error(
      `The folder ${path} was written by a newer version (format ${found}; this one reads up to ${FORMAT}). ` +
        `Update Sightline, or ${ANOTHER}`,
    )
  }
  if (!(found >= 1))
    throw new Error(`${file} should hold a format number. Restore it, or remove the folder to start anew.`)
}

/** Nothing, or zeros: what is left of a file that was made but not yet on the disk when the power went. */
const isEmptied = (text: string) => text.replaceAll('\0', '').trim() === ''
