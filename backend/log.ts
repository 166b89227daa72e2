// A disk that is full, or a reader that has gone, costs log lines and not the process.
process.stdout.on('error', () => {})

/** Takes what is worth telling; an error of ours comes with its stack. */
export type Log = (level: 'info' | 'warn' | 'error', message: string) => void

/** One JSON line per event on stdout, as the services write theirs. */
export const log: Log = (level, message) => {
  process.stdout.write(
    `${JSON.stringify({ timestamp: new Date().toISOString(), level, service: 'embedded', message })}\n`,
  )
}
