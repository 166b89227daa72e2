/**
 * The pages behind `type` of a problem, made from contracts/problem-kinds.ts: `node gateway/problem-pages.ts` writes them.
 * A test fails when the files are not what this writes.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PROBLEM_KINDS, type ProblemKind, RETRY_ADVICE } from '../contracts/problem-kinds.ts'
import { quoted } from './configuration-word.ts'

const root = join(import.meta.dirname, '..')
const REWRITE = 'node gateway/problem-pages.ts'

/** Each generated file by its path in the project. */
export function renderPages(): Record<string, string> {
  return { 'gateway/problem-pages.conf.template': renderMaps(), 'docs/errors.md': renderDocument() }
}

/** For Nginx: the page of a kind as HTML and as JSON, empty for a kind that is none. */
function renderMaps(): string {
  const map = (name: string, page: (kind: string, problem: ProblemKind) => string) =>
    `map $gateway_problem_kind $${name} {\n  default "";\n${Object.entries(PROBLEM_KINDS)
      .map(([kind, problem]) => `  ${kind} ${quoted(page(kind, problem))};\n`)
      .join('')}}\n`
  return (
    `# Made from contracts/problem-kinds.ts by \`${REWRITE}\`: what /problems/<kind> answers.\n` +
    map('gateway_problem_html', renderHtml) +
    map('gateway_problem_json', renderJson)
  )
}

/** Without style and script: the gateway's Content-Security-Policy lets none through. */
function renderHtml(kind: string, { status, title, from, meaning, whatToDo, retry }: ProblemKind): string {
  return (
    '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">' +
    `<meta name="color-scheme" content="light dark"><title>${html(title)}</title>\n<h1>${html(title)}</h1>\n` +
    `<p><code>/problems/${kind}</code>, status ${status}, from ${from.join(' or ')}</p>\n` +
    `<p>${html(meaning)}</p>\n<h2>What to do</h2>\n<p>${html(whatToDo)}</p>\n` +
    `<h2>Try again?</h2>\n<p>${html(RETRY_ADVICE[retry])}</p>\n</html>\n`
  )
}

function html(text: string): string {
  const escaped = text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
  return escaped.replace(/`([^`]*)`/g, '<code>$1</code>')
}

function renderJson(kind: string, { status, title, from, meaning, whatToDo, retry }: ProblemKind): string {
  const page = {
    type: `/problems/${kind}`,
    title,
    status,
    from,
    meaning: meaning.replaceAll('`', ''),
    what_to_do: whatToDo.replaceAll('`', ''),
    retry,
    retry_advice: RETRY_ADVICE[retry].replaceAll('`', ''),
  }
  return `${JSON.stringify(page, null, 2)}\n`
}

function renderDocument(): string {
  const kinds = Object.entries(PROBLEM_KINDS)
  const rows = kinds.map(
    ([kind, { status, title, from, retry }]) =>
      `| ${status} | [${kind}](#${kind}) | ${title} | ${from.join(', ')} | ${RETRY_WORD[retry]} |`,
  )
  const sections = kinds.map(
    ([kind, { status, title, from, meaning, whatToDo, retry }]) =>
      `## ${kind}\n\n${status} *${title}*, from ${from.join(' or ')}.\n\n${meaning}\n\n` +
      `**What to do.** ${whatToDo}\n\n**Try again?** ${RETRY_ADVICE[retry]}\n`,
  )
  return `${INTRODUCTION}${rows.join('\n')}\n\n${sections.join('\n')}`
}

const RETRY_WORD = { no: 'no', 'after-change': 'after a change', safe: 'yes', 'with-key': 'yes, with its key' }

const INTRODUCTION = `<!-- Made from contracts/problem-kinds.ts by \`${REWRITE}\`. -->
# Errors

Every error is an RFC 9457 problem, \`application/problem+json\`, whether the gateway or a service answers:

\`\`\`
{"type": "/problems/insufficient-stock", "title": "Not enough stock", "status": 409,
 "detail": "There are 50 of laptop-001, and 51 were ordered; nothing was reserved.",
 "trace_id": "442e84a6404bf0b154cef3db0a26a1db", "request_id": "..."}
\`\`\`

\`type\` names the kind and never changes: compare it, not the texts. It is an address relative to the request's, and the gateway
answers there, without a key: \`curl localhost:8080/problems/insufficient-stock\` says what this page says, as JSON, and to a
browser as HTML. \`detail\` is about this one request; of a status from 500 on it says nothing of the inside. \`errors\`, where
there is one, names each bad field. \`trace_id\` finds the trace (\`npm run trace -- ID\`) and the log lines. On the services' spans
the kind is \`error.type\`, with \`_\` for \`-\`.

| status | kind | title | from | try again |
|---|---|---|---|---|
`

if (import.meta.main) for (const [path, text] of Object.entries(renderPages())) writeFileSync(join(root, path), text)
