/**
 * Main thread. What is refused of OTLP stands in the backend's log, too: a sender is told in a partial success, and of the SDKs that
 * were tried Go's alone passes that on to its user.
 */

/** Each text once in so long, and no more texts of a signal than this: senders go on, and names in a text are theirs. */
const AGAIN_AFTER_MS = 3_600_000
const MOST_TEXTS = 20
const MOST_CHARACTERS = 500
/** What moves the cursor, turns the direction of writing or begins a line. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu
const COUNTER = 'embedded_rejected_items_total'

/** Tells of a refusal, unless it has been told. `reason` is empty where nothing was refused. */
export type TellRefusal = (signal: string, reason: string) => void

/** `now` in milliseconds, of any beginning. */
export function createRefusals(warn: (message: string) => void, now = () => performance.now()): TellRefusal {
  /** By signal: who floods one silences no other. */
  const told = new Map<string, Set<string>>()
  let since = now()
  return (signal, reason) => {
    if (reason === '') return
    if (now() - since >= AGAIN_AFTER_MS) {
      told.clear()
      since = now()
    }
    const text = `Refused ${signal}: ${reason.slice(0, MOST_CHARACTERS)}`.replace(UNSEEN, ' ')
    const texts = told.get(signal) ?? new Set()
    told.set(signal, texts)
    if (texts.has(text) || texts.size > MOST_TEXTS) return
    texts.add(text)
    warn(
      texts.size > MOST_TEXTS
        ? `More ${signal} are refused, for other reasons: their senders are told, and ${COUNTER} counts them.`
        : text,
    )
  }
}
