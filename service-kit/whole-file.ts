/** Files that a process or the machine may stop in the middle of (`@sightline/service-kit/whole-file`). */
import * as fs from 'node:fs'
import path from 'node:path'

/**
 * Writes a file whole or not at all, and on the disk when it returns: neither a reader nor a power cut finds half of it. For
 * its owner alone unless `mode` says otherwise. Throws what the file system does, and then the file is as it was.
 */
export function writeWhole(file: string, text: string, mode = 0o600): void {
  const aside = `${file}.${process.pid}.new`
  try {
    fs.rmSync(aside, { force: true })
    fs.writeFileSync(aside, text, { mode, flush: true })
    fs.renameSync(aside, file)
  } catch (error) {
    fs.rmSync(aside, { force: true })
    throw error
  }
  // The new name, too, is only there when its folder is.
  const folder = fs.openSync(path.dirname(file), 'r')
  try {
    fs.fsyncSync(folder)
  } finally {
    fs.closeSync(folder)
  }
}
