import { styleText } from 'node:util'

/** Colours on a terminal, plain text elsewhere; NO_COLOR and FORCE_COLOR are honoured. */
const paint = (style: Parameters<typeof styleText>[0]) => (text: string) =>
  styleText(style, text, { stream: process.stdout, validateStream: true })

export const colour = {
  bold: paint('bold'),
  dim: paint('dim'),
  red: paint('red'),
  green: paint('green'),
  yellow: paint('yellow'),
  cyan: paint('cyan'),
}

/** What to show of an error: the message alone where it was written for the user, the whole of it where it is a surprise. */
export function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  if (error.name === 'StartError') return error.message
  const { code } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC') return `The disk is full (${error.message}). Free some space, then start again.`
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS') {
    return `No permission: ${error.message}. Is the folder yours? SIGHTLINE_HOME moves it.`
  }
  return error.stack ?? error.message
}

/** Text from elsewhere, to be shown in a terminal: what could steer it, a line break too, is written as \u001b. */
export const oneLine = (text: string): string =>
  text.replace(/\p{Cc}/gu, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
