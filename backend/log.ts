// A disk that is full, or a reader that has gone, costs log lines and not the process.
process.stdout.on('error', () => {})

/** One JSON line per event on stdout, as the services write theirs. */
export function log(level: 'info' | 'warn' | 'error', message: string): void {
  process.stdout.write(
    `${JSON.stringify({ timestamp: new Date().toISOString(), level, service: 'embedded', message })}\n`,
  )
}

/** For what should not happen: with the stack, which never leaves the process another way. */
export function logError(error: unknown): void {
  log('error', error instanceof Error ? (error.stack ?? error.message) : String(error))
}
