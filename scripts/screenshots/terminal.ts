/** What a command says, as a page that looks like a terminal. */
import { execFile } from 'node:child_process'
import { promisify, stripVTControlCharacters } from 'node:util'
import { root } from '@sightline/local/settings'

/**
 * Runs Node with `args` in the project and resolves to a page with what it said, under the command that people would type, as a data: URL.
 * That it ends with a code other than 0 is news, too.
 */
export async function terminalPage(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<string> {
  const options = { cwd: root, env: { ...process.env, ...env } }
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, options).catch(
    (error: Error & { stdout: string; stderr: string }) => error,
  )
  const said = stripVTControlCharacters(`${stdout}${stderr}`).trimEnd()
  const html = `<!doctype html><meta charset="utf-8"><title>${escaped(command)}</title><style>
    body { margin: 0; background: #10131a; color: #d5d9e2; font: 14px/1.5 ui-monospace, 'DejaVu Sans Mono', monospace }
    pre { margin: 0; padding: 20px 24px; white-space: pre-wrap }
    b { color: #7fd1ae }
  </style><pre><b>$ ${escaped(command)}</b>\n\n${escaped(said)}</pre>`
  return `data:text/html;charset=utf-8,${encodeURIComponent(html)}`
}

const escaped = (text: string) => text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
