/** What of the parts' output a person wants to see beside the URLs: errors, and what nobody expected, a few lines at a time. */

/** Lines of a part within the window; the rest is counted. */
const AT_MOST = 5
const WINDOW_MS = 10_000

/** One part's lines at levels below error, as the services, the backend, PostgreSQL, Prometheus and Nginx write them. */
const EVERYDAY = [
  /^\d\d:\d\d:\d\d\.\d{3} (TRACE|DEBUG|INFO|WARN)\b/,
  /^\{.*"level":"(trace|debug|info|warn)"/,
  /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+ \[\d+\] (\S+@\S+ )?(DEBUG\d|LOG|INFO|NOTICE|WARNING|DETAIL|HINT|CONTEXT|STATEMENT): /,
  /\blevel=(debug|info|warn)\b/,
  // What the console exporter prints: an object over several lines.
  /^[{}]$/,
  /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[(debug|info|notice|warn)\]/,
]

interface Part {
  /** Since when lines are counted, milliseconds. */
  since: number
  count: number
  /** Whether the line before was shown: what is indented belongs to it. */
  showing: boolean
}

/**
 * A printer of what is worth it. Of each part at most five lines in ten seconds are passed on; the next line after that says
 * how many were not, and `fileOf` where they stand. `now` is the clock in milliseconds.
 */
export function calmPrinter(
  print: (name: string, line: string) => void,
  fileOf: (name: string) => string,
  now: () => number = Date.now,
): (name: string, line: string) => void {
  const parts = new Map<string, Part>()
  return (name, line) => {
    const part = parts.get(name) ?? { since: now(), count: 0, showing: false }
    parts.set(name, part)
    if (!/^\s/.test(line)) part.showing = !EVERYDAY.some((pattern) => pattern.test(line))
    if (!part.showing || line.trim() === '') return
    if (now() - part.since >= WINDOW_MS) {
      if (part.count > AT_MOST) print(name, `... ${part.count - AT_MOST} more in ${fileOf(name)}`)
      part.since = now()
      part.count = 0
    }
    part.count++
    if (part.count <= AT_MOST) print(name, line)
  }
}
