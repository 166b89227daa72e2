/** One JSON line per event on stdout, as the services write theirs. */
export function log(level: 'info' | 'warn' | 'error', message: string): void {
  process.stdout.write(
    `${JSON.stringify({ timestamp: new Date().toISOString(), level, service: 'embedded', message })}\n`,
  )
}
