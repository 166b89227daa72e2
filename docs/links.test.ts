/** Every relative link in a Markdown file leads to a file or folder that is there, and its anchor to a heading. Offline. */
import assert from 'node:assert/strict'
import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { test } from 'node:test'

const root = join(import.meta.dirname, '..')
const isForeign = (name: string) => name === 'node_modules' || (name.startsWith('.') && name !== '.')

/** `target: reason` of each link of the document at `path` (below `root`) that leads nowhere. */
function brokenLinks(path: string, text: string): string[] {
  const prose = withoutCode(text)
  const targets = [
    ...[...prose.matchAll(/\]\(<?([^)\s>]+)>?(?:\s+"[^"]*")?\)/g)].map(([, target]) => target!),
    ...[...prose.matchAll(/^\[[^\]]+\]:\s+(\S+)/gm)].map(([, target]) => target!),
  ]
  return targets.flatMap((target) => {
    if (/^[a-z][a-z0-9+.-]*:/i.test(target)) return []
    const [file = '', anchor] = target.split('#')
    if (file.startsWith('/')) return [`${target}: begin it with ./ or ../, or with the name beside the document`]
    const at = file === '' ? join(root, path) : join(root, dirname(path), decodeURIComponent(file))
    if (!existsSync(at)) return [`${target}: there is no ${relative(root, at)}`]
    if (anchor === undefined || /^L\d+/.test(anchor)) return []
    const document = file === '' ? text : statSync(at).isFile() && at.endsWith('.md') ? readFileSync(at, 'utf8') : ''
    return anchors(document).has(anchor) ? [] : [`${target}: there is no heading #${anchor}`]
  })
}

function withoutCode(text: string): string {
  return text.replace(/^(```+|~~~+)[^\n]*\n[\s\S]*?^\1\s*$/gm, '').replace(/(`+)(?!`)[\s\S]*?[^`]\1(?!`)/g, 'code')
}

/** As GitHub makes them: words in lower case joined by `-`, a repeated one with -1, -2. */
function anchors(text: string): Set<string> {
  const seen = new Map<string, number>()
  const headings = text.replace(/^(```+|~~~+)[^\n]*\n[\s\S]*?^\1\s*$/gm, '').matchAll(/^#{1,6}\s+(.+?)\s*#*$/gm)
  return new Set(
    [...headings].map(([, heading]) => {
      const shown = heading!.replace(/!?\[([^\]]*)\]\([^)]*\)/g, '$1')
      const slug = shown
        .toLowerCase()
        .replace(/[^\p{L}\p{M}\p{N}\p{Pc} -]/gu, '')
        .replaceAll(' ', '-')
      const times = seen.get(slug) ?? 0
      seen.set(slug, times + 1)
      return times === 0 ? slug : `${slug}-${times}`
    }),
  )
}

const documents = globSync('**/*.md', { cwd: root, exclude: isForeign }).sort()

test('every link in every document leads somewhere', () => {
  assert.ok(documents.includes('README.md') && documents.includes('docs/errors.md'))
  const broken = documents.flatMap((path) =>
    brokenLinks(path, readFileSync(join(root, path), 'utf8')).map((reason) => `${path}: ${reason}`),
  )
  assert.deepEqual(broken, [])
})

test('a link that leads nowhere is found, one in code is none', () => {
  const text = [
    '# One `two` & three: [four](README.md)',
    '# Twice',
    '# Twice',
    '[a](errors.md) [b](errors.md#not-found) [c](#one-two--three-four) [d](#twice-1) [e](../gateway) [f](https://x.y/z)',
    '`[code](nowhere.md)` and ``[`code`](nowhere.md)``',
    '```',
    '[code](nowhere.md)',
    '```',
    '[g](nowhere.md) [h](errors.md#nothing) [i](#twice-2) [j](/docs/errors.md) [k](../gateway#what) ![l](images/none.png)',
    '[m]: nowhere-either.md',
  ].join('\n')
  assert.deepEqual(
    brokenLinks('docs/logql.md', text).map((reason) => reason.split(':')[0]),
    ['README.md', 'nowhere.md', 'errors.md#nothing', '#twice-2', '/docs/errors.md', '../gateway#what'].concat([
      'images/none.png',
      'nowhere-either.md',
    ]),
  )
})
