/** Where a new service has to be known: workspaces, type check, image, stack, scrape targets. Each edit is one small insertion. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startError } from '@sightline/local/settings'
import type { NewService } from './templates.ts'

/** Makes the edits in the project at `root`; throws what to do by hand where a file has another form than it had. */
export function registerService(root: string, { name, port, after }: NewService): void {
  const edit = (path: string, change: (text: string) => string) => {
    const file = join(root, path)
    const text = readFileSync(file, 'utf8')
    const changed = change(text)
    if (changed === text)
      throw startError(`${path} has not the form that this script knows: add ${name} there by hand.`)
    writeFileSync(file, changed)
  }
  for (const path of ['package.json', 'tsconfig.json']) {
    edit(path, (text) => text.replace(`    "${after}",\n`, (line) => `${line}    "${name}",\n`))
  }
  edit('Dockerfile', (text) => {
    return text.replace(
      `COPY ${after}/package.json ${after}/\n`,
      (line) => `${line}COPY ${name}/package.json ${name}/\n`,
    )
  })
  edit('.dockerignore', (text) => text.replace(`!${after}\n`, (line) => `${line}!${name}\n`))
  edit('docker-compose.yaml', (text) => {
    const [before, own] = splitBefore(text, `\n  ${after}:\n`)
    const told = own.replace(/\n {6}PORT: \d+\n/, (line) => `${line}      NEXT_SERVICE_URL: http://${name}:${port}\n`)
    const all = before + told.replace('\n  postgres:\n', (line) => `\n${composeService(name, port)}${line}`)
    return all.replace(/(?<=SIGHTLINE_ALLOWED_HOSTS: [a-z0-9,-]*),\$/, (end) => `,${name}${end}`)
  })
  edit('observability/prometheus/targets/stack.json', (text) => {
    const targets = JSON.parse(text) as TargetGroup[]
    const at = targets.findIndex(({ labels }) => labels.job === after) + 1
    targets.splice(at, 0, { targets: [`${name}:${port}`], labels: { job: name } })
    return `[\n${targets.map(formatted).join(',\n')}\n]\n`
  })
}

const composeService = (name: string, port: number) => `  ${name}:
    <<: *service
    image: sightline/${name}
    build: { context: ., target: service, args: { SERVICE: ${name} } }
    environment:
      <<: *switches
      PORT: ${port}
    networks: [app]
`

function splitBefore(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark)
  return at === -1 ? [text, ''] : [text.slice(0, at), text.slice(at)]
}

interface TargetGroup {
  targets: string[]
  labels: { job: string }
}

/** An entry of the list as the formatter writes it: on one line where it has room, with a comma, on 120 columns. */
function formatted({ targets, labels }: TargetGroup): string {
  const fields = [`"targets": ${JSON.stringify(targets)}`, `"labels": { "job": ${JSON.stringify(labels.job)} }`]
  const line = `  { ${fields.join(', ')} }`
  return line.length < 120 ? line : `  {\n    ${fields.join(',\n    ')}\n  }`
}
