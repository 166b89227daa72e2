/** Reads `key=value key="quoted \"value\"" flag` lines. */
const pair = /([^\s="]+)(?:=(?:"((?:[^"\\]|\\.)*)"(?=\s|$)|([^\s"=]*)(?=\s|$))?)?|\s+/y

/** Pairs in order; a key without a value has ''. What can't be read is skipped, and `problem` says where it began. */
export function parseLogfmt(line: string): { pairs: [string, string][]; problem?: string } {
  const pairs: [string, string][] = []
  let problem: string | undefined
  let at = 0
  while (at < line.length) {
    pair.lastIndex = at
    const found = pair.exec(line)
    const stop = found ? at + found[0].length : at
    const whole = found && (stop >= line.length || /\s/.test(line[stop]!) || /^\s/.test(found[0]))
    if (whole) {
      if (found[1] !== undefined) pairs.push([found[1], found[2] !== undefined ? unquote(found[2]) : (found[3] ?? '')])
      at = stop
      continue
    }
    problem ??= `logfmt syntax error at pos ${stop + 1} : unexpected '${line[stop] ?? ''}'`
    const space = line.slice(stop).search(/\s/)
    at = space < 0 ? line.length : stop + space
  }
  return problem === undefined ? { pairs } : { pairs, problem }
}

function unquote(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, point?: string, char?: string) => {
    if (point) return String.fromCharCode(Number.parseInt(point, 16))
    return { n: '\n', r: '\r', t: '\t', b: '\b', f: '\f' }[char!] ?? char!
  })
}
