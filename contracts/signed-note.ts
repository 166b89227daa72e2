/** Checkpoints as text: signed notes (https://c2sp.org/signed-note, https://c2sp.org/tlog-checkpoint). Nothing of them is believed here. */

/** A line below a note. */
export interface NoteLine {
  name: string
  /** The id of the key, then the signature, in base64. */
  encoded: string
}

export interface NoteText {
  origin: string
  size: number
  /** As it is written: base64. */
  root: string
  /** What is signed: all lines above the empty one. */
  text: string
  lines: NoteLine[]
}

/** Takes a note apart; undefined when it is none of a tree. */
export function readNoteText(note: string): NoteText | undefined {
  const end = note.lastIndexOf('\n\n')
  const text = note.slice(0, end + 1)
  const [origin = '', size = '', root = ''] = text.split('\n')
  const isSize = /^(0|[1-9]\d{0,15})$/.test(size) && Number.isSafeInteger(Number(size))
  if (end < 0 || !isSize || origin === '' || /(?!\n)\p{Cc}/u.test(note)) return undefined
  return { origin, size: Number(size), root, text, lines: readNoteLines(note.slice(end + 2)) }
}

/** The signatures in lines below a note; other lines are nobody's. */
export function readNoteLines(lines: string): NoteLine[] {
  return lines.split('\n').flatMap((line) => {
    const [, name, encoded] = /^— ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/u.exec(line) ?? []
    return name === undefined || encoded === undefined ? [] : [{ name, encoded }]
  })
}
