/** Markdown, as much of it as notes on dashboards need. Never HTML: tags in it are text. */
import type { ComponentChildren } from 'preact'
import { interpolate } from '../data/interpolate.ts'
import { safeHref } from '../data/url.ts'
import type { PanelProps } from './props.ts'
import './text.css'

export function TextPanel({ panel, data }: Pick<PanelProps, 'panel' | 'data'>) {
  const content = interpolate(String(panel.options?.content ?? ''), data.variables, 'text')
  return (
    <div class="markdown">
      {content.split(/\n{2,}/).map((block, i) => (
        <Block key={`${i}/${block.length}`} text={block} />
      ))}
    </div>
  )
}

function Block({ text }: { text: string }) {
  const heading = /^(#{1,6})\s+(.*)$/.exec(text.trim())
  // Panels have a title of their own at h2; whatever depth the note asks for comes below it.
  if (heading) return <h3>{inline(heading[2]!)}</h3>
  const lines = text.split('\n').filter((line) => line.trim())
  if (lines.length > 0 && lines.every((line) => /^\s*[-*]\s/.test(line))) {
    return (
      <ul>
        {lines.map((line) => (
          <li key={line}>{inline(line.replace(/^\s*[-*]\s+/, ''))}</li>
        ))}
      </ul>
    )
  }
  return <p>{inline(lines.join(' '))}</p>
}

const INLINE = /\*\*(.+?)\*\*|`([^`]+)`|\[([^\]]+)\]\(([^)\s]+)\)/g

function inline(text: string): ComponentChildren[] {
  const parts: ComponentChildren[] = []
  let at = 0
  for (const match of text.matchAll(INLINE)) {
    parts.push(text.slice(at, match.index))
    const [, bold, code, label, url] = match
    const href = url && safeHref(url)
    parts.push(bold ? <strong>{bold}</strong> : code ? <code>{code}</code> : href ? <a href={href}>{label}</a> : label)
    at = match.index + match[0].length
  }
  return [...parts, text.slice(at)]
}
