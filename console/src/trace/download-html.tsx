/** The trace as one HTML file, to be sent to somebody who has no Sightline: a button, and what came of it. */
import { useState } from 'preact/hooks'
import { newClient } from '../data/http.ts'
import { linesOfTrace } from '../data/loki.ts'
import type { FetchedTrace } from '../data/tempo.ts'
import { MOST_LINES, TEMPLATE, traceFile, traceFileName } from '../data/trace-file.ts'
import { saveAs } from './save-as.ts'

type State = { readonly text: string; readonly busy?: boolean }

export function DownloadHtml({ trace, answer, title }: FetchedTrace & { title: string }) {
  const [state, setState] = useState<State>({ text: 'Download as HTML' })
  const download = async () => {
    setState({ text: 'Writing the file …', busy: true })
    try {
      const html = await htmlOf({ trace, answer }, title)
      saveAs(traceFileName(trace.traceId), 'text/html', html)
      setState({ text: `Downloaded: ${Math.ceil(new Blob([html]).size / 1000)} kB` })
    } catch (cause) {
      setState({ text: `Not written: ${(cause as Error).message}` })
    }
  }
  return (
    <button
      type="button"
      class="button"
      title="One file with this trace, its details and log lines. It opens without a network; personal data is masked."
      disabled={state.busy}
      onClick={() => void download()}
    >
      <span aria-live="polite">{state.text}</span>
    </button>
  )
}

async function htmlOf({ trace, answer }: FetchedTrace, title: string): Promise<string> {
  const client = newClient()
  const [template, lines] = await Promise.all([
    fetch(`/${TEMPLATE}`).then((response) => {
      if (!response.ok) throw new Error(`the console has no ${TEMPLATE} (${response.status})`)
      return response.text()
    }),
    linesOfTrace(client, trace, MOST_LINES),
  ])
  const otlp = answer.trace ?? answer
  const linesLeftOut = lines.length === MOST_LINES
  return traceFile(template, title, { otlp, lines, linesLeftOut, made: new Date().toISOString() })
}
