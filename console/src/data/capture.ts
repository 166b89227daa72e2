/** The capture that this console shows, when it shows one: its server has put it into the page (console/captured.ts). */
import type { RawRange } from './time-range.ts'

export interface OpenedCapture {
  /** The name of its file. */
  readonly file: string
  /** ISO times: from when to when it is, and when it was made. */
  readonly from: string
  readonly to: string
  readonly made: string
  /** The version of Sightline that made it. */
  readonly product: string
  /** Sentences: what is not in it, and why. */
  readonly left_out: readonly string[]
}

let known: OpenedCapture | null | undefined

/** Undefined on a system that runs. */
export function openedCapture(): OpenedCapture | undefined {
  if (known === undefined) {
    const content = globalThis.document?.querySelector('meta[name="sightline-capture"]')?.getAttribute('content')
    known = content ? (JSON.parse(content) as OpenedCapture) : null
  }
  return known ?? undefined
}

/** All of the capture, as a page's time range; undefined on a system that runs. */
export function capturedRange(): RawRange | undefined {
  const capture = openedCapture()
  return capture && { from: String(Date.parse(capture.from)), to: String(Date.parse(capture.to)) }
}

/** What `now` means in a time range, in ms: in a capture its end. */
export function nowMs(): number {
  const capture = openedCapture()
  return capture ? Date.parse(capture.to) : Date.now()
}
