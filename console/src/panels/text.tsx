/** Notes on dashboards, in Markdown. Never HTML: tags in it are text. An image is a link to it: pages load nothing from elsewhere. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import { interpolate } from '../data/interpolate.ts'
import { type Block, parseMarkdown, parseSpans, type Span } from '../data/markdown.ts'
import { safeHref } from '../data/safe-href.ts'
import type { PanelProps } from './props.ts'
import './text.css'

export function TextPanel({ panel, data }: Pick<PanelProps, 'panel' | 'data'>) {
  const content = interpolate(String(panel.options?.content ?? ''), data.variables, 'text')
  const note = useRef<HTMLElement>(null)
  // A link to a heading is followed before the note is there.
  useEffect(() => {
    const wanted = location.hash.slice(1)
    if (wanted === '') return
    const headings = [...(note.current?.querySelectorAll('h3') ?? [])]
    headings.find(({ id }) => id === wanted)?.scrollIntoView({ block: 'start' })
  }, [content])
  return (
    // Focusable, so that the keyboard can scroll it.
    <section class="markdown" ref={note} tabIndex={0} aria-label={panel.title || 'Note'}>
      {parseMarkdown(content).map(drawBlock)}
    </section>
  )
}

/** What a link calls a heading: its words, joined. */
const anchorOf = (text: string): string => text.trim().replaceAll(/\W+/g, '-')

function drawBlock(block: Block): ComponentChildren {
  switch (block.kind) {
    // Panels have a title of their own at h2; whatever depth the note asks for comes below it.
    case 'heading':
      return <h3 id={anchorOf(block.text)}>{drawText(block.text)}</h3>
    case 'paragraph':
      return <p>{drawText(block.text)}</p>
    case 'code':
      return (
        <pre>
          <code>{block.text}</code>
        </pre>
      )
    case 'quote':
      return <blockquote>{block.blocks.map(drawBlock)}</blockquote>
    case 'rule':
      return <hr />
    case 'list': {
      const items = block.items.map((item) => <li>{drawItem(item)}</li>)
      return block.ordered ? <ol start={block.start}>{items}</ol> : <ul>{items}</ul>
    }
    case 'table':
      return (
        <table>
          <thead>
            <tr>
              {block.header.map((cell) => (
                <th>{drawText(cell)}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {block.rows.map((row) => (
              <tr>
                {row.map((cell) => (
                  <td>{drawText(cell)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      )
  }
}

/** The text of an item stands beside its mark, not in a paragraph of its own. */
const drawItem = ([first, ...rest]: readonly Block[]): ComponentChildren =>
  first?.kind === 'paragraph'
    ? [drawText(first.text), rest.map(drawBlock)]
    : [first && drawBlock(first), rest.map(drawBlock)]

const drawText = (text: string): ComponentChildren => parseSpans(text).map(drawSpan)

function drawSpan(span: Span): ComponentChildren {
  if (typeof span === 'string') return span
  if (span.kind === 'code') return <code>{span.text}</code>
  if (span.kind === 'break') return <br />
  const inside = span.spans.map(drawSpan)
  if (span.kind === 'link') {
    const href = safeHref(span.url)
    return href ? <a href={href}>{inside}</a> : inside
  }
  return span.kind === 'strong' ? (
    <strong>{inside}</strong>
  ) : span.kind === 'em' ? (
    <em>{inside}</em>
  ) : (
    <del>{inside}</del>
  )
}
