/** What can be done with a list of log lines, found or live. */
import type { LogLine } from '../data/frame.ts'
import { LINE_KEYS } from '../data/keys.ts'
import { asJsonLines, asText, lineCount } from '../data/log-text.ts'
import { Icon } from '../shell/icons.tsx'
import { useKeys } from '../shell/keys.ts'
import { setParams, useAddress } from '../shell/url.ts'

export const isWrapped = (params: URLSearchParams): boolean => params.get('wrap') === '1'
/** Whether lines are shown as they come in. */
export const isLive = (params: URLSearchParams): boolean => params.get('live') === '1'

/** The keys of log lines; `pause` where lines come in. */
export function useLineKeys(pause?: () => void): void {
  const { params } = useAddress()
  useKeys(LINE_KEYS, (does) => {
    if (does === 'pause') pause?.()
    else if (does === 'wrap') setParams({ wrap: isWrapped(params) ? null : '1' }, true)
    else setParams({ live: isLive(params) ? null : '1' })
  })
}

export function Wrap() {
  const wrap = isWrapped(useAddress().params)
  return (
    <label class="check">
      <input type="checkbox" checked={wrap} onChange={() => setParams({ wrap: wrap ? null : '1' }, true)} />
      Wrap
    </label>
  )
}

export const GoLive = () => (
  <button type="button" class="button" title="Show lines as they come in" onClick={() => setParams({ live: '1' })}>
    <Icon name="play" /> Live
  </button>
)

/** Of what is listed; `says` which lines those are when they are not all. */
export function Download({ lines, says }: { lines: readonly LogLine[]; says: string | undefined }) {
  const save = (kind: 'log' | 'jsonl') => {
    const text = kind === 'log' ? asText(lines, says) : asJsonLines(lines)
    const url = URL.createObjectURL(new Blob([text], { type: kind === 'log' ? 'text/plain' : 'application/jsonl' }))
    const link = document.createElement('a')
    link.href = url
    link.download = `lines-${lines.length}${says ? '-cut' : ''}.${kind}`
    link.click()
    // The browser has begun to read it by then.
    setTimeout(() => URL.revokeObjectURL(url), 10_000)
  }
  const title = says ? `Only what is listed. ${says}` : `All ${lineCount(lines.length)}`
  return (
    <>
      <button type="button" class="button" title={title} aria-label="Download as .log" onClick={() => save('log')}>
        <Icon name="down" /> .log
      </button>
      <button type="button" class="button" title={title} aria-label="Download as .jsonl" onClick={() => save('jsonl')}>
        <Icon name="down" /> .jsonl
      </button>
    </>
  )
}
