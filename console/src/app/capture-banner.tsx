/** Says that what is shown is a capture, of when, and what is not in it. */
import { openedCapture } from '../data/capture.ts'
import { localDateTime } from '../data/time-range.ts'
import './capture-banner.css'

export function CaptureBanner() {
  const capture = openedCapture()
  if (!capture) return null
  const [from, to] = [capture.from, capture.to].map((time) => localDateTime(Date.parse(time)))
  return (
    <aside class="capture-banner" aria-label="Captured run">
      <span>
        Captured from <time datetime={capture.from}>{from}</time> to <time datetime={capture.to}>{to}</time>, opened
        from <code>{capture.file}</code>. “Now” is its end.
      </span>
      <details>
        <summary>What is not in it</summary>
        <ul>
          {capture.left_out.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
          <li>The SQL of panels shows what it found then, whatever is filtered for now.</li>
        </ul>
      </details>
    </aside>
  )
}
