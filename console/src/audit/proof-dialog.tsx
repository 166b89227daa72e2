/** One row proven in the browser: the verdict, what it rests on, and the way from the row to the root. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { type Row, rowReceipt } from '../data/audit.ts'
import { newClient } from '../data/http.ts'
import { canProve, type Proof, proveRow, type SignatureState } from '../data/prove.ts'
import { readKey } from '../data/signed-note.ts'
import { CopyButton } from '../shell/copy.tsx'
import { Icon } from '../shell/icons.tsx'
import { Failure, Loading } from '../shell/states.tsx'
import { useQuery } from '../shell/use-query.ts'
import './proof-dialog.css'

/** Where the browser keeps the log's key, which the server must not give: it would vouch for itself. */
const KEPT = 'sightline.audit-key'

const SIGNATURES: Record<SignatureState, string> = {
  valid: 'The root is signed with the key that you gave.',
  none: 'The root is not signed: this log has no key, or has not signed this row yet. That everybody is shown the same root is taken on trust.',
  'no key': 'The root is signed, and the signature was not checked: give the public key of the log below.',
  'not possible': 'The root is signed, and this browser can not check it: it does not know Ed25519.',
}

interface ProofDialogProps {
  readonly row: Row
  readonly onClose: () => void
}

export function ProofDialog({ row, onClose }: ProofDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null)
  const [key, setKey] = useState(() => localStorage.getItem(KEPT) ?? '')
  useLayoutEffect(() => dialog.current?.showModal(), [])
  const { data, error, loading } = useQuery(`${row.id} ${row.proof} ${key}`, async (signal) => {
    if (!canProve()) throw new Error('Browsers let a page hash over https and on localhost only: open it there.')
    const receipt = await rowReceipt(newClient(signal), row)
    return proveRow(row, receipt, key ? readKey(key) : undefined)
  })
  const keep = (text: string) => {
    if (text) localStorage.setItem(KEPT, text)
    else localStorage.removeItem(KEPT)
    setKey(text)
  }
  return (
    <dialog class="inspector proof" ref={dialog} onClose={onClose} aria-label={`Proof of audit row ${row.id}`}>
      <header>
        <h2>Audit row {String(row.id)}</h2>
        <button type="button" class="icon-button" aria-label="Close" onClick={() => dialog.current?.close()}>
          <Icon name="close" />
        </button>
      </header>
      <div class="inspector-body">
        {loading && !data && <Loading />}
        {error && <Failure message={error} />}
        {data && !error && <Verdict proof={data} />}
        <KeyForm kept={key} onKeep={keep} />
      </div>
    </dialog>
  )
}

function Verdict({ proof }: { proof: Proof }) {
  const { fault, entry, size, signature, cosigners, steps, leaf, root } = proof
  return (
    <>
      <p class={`verdict ${fault === undefined ? 'proven' : 'refused'}`} role="status">
        <Icon name={fault === undefined ? 'check' : 'warning'} />
        {fault === undefined
          ? `Proven: this row is number ${entry.position} of ${size} in the log, as it was sealed at ${entry.sealed_at}.`
          : `Not proven: ${fault}.`}
      </p>
      <p class="muted">
        {fault === undefined && SIGNATURES[signature]}{' '}
        {signature !== 'none' &&
          (cosigners.length > 0
            ? `Cosigned by ${cosigners.join(', ')}, which is not checked here.`
            : 'No witness has cosigned it.')}
      </p>
      <h3>From the row to the root: {steps.length + 1} hashes made here</h3>
      <ol class="proof-path">
        <li>
          <span class="proof-side">row</span>
          <code title={leaf}>{leaf}</code>
        </li>
        {steps.map(({ side, sibling, hash }, n) => (
          <li key={sibling}>
            <span class="proof-side">{n === steps.length - 1 ? 'root' : `${n + 1}`}</span>
            <code title={hash}>{hash}</code>
            <span class="muted">
              with <code title={sibling}>{sibling.slice(0, 8)}…</code> on the {side}
            </span>
          </li>
        ))}
      </ol>
      {steps.length === 0 && <p class="muted">The row is the only one: its hash is the root.</p>}
      <p class="proof-tools">
        <CopyButton text={root} label="Copy the root" />
        <CopyButton text={JSON.stringify(entry, null, 2)} label="Copy the entry" />
      </p>
    </>
  )
}

function KeyForm({ kept, onKeep }: { kept: string; onKeep: (key: string) => void }) {
  const [text, setText] = useState(kept)
  const [fault, setFault] = useState<string>()
  const keep = () => {
    try {
      if (text.trim()) readKey(text)
      setFault(undefined)
      onKeep(text.trim())
    } catch (error) {
      setFault((error as Error).message)
    }
  }
  return (
    <details class="proof-key" open={fault !== undefined}>
      <summary>Public key of the log{kept ? '' : ': none given'}</summary>
      <textarea
        aria-label="Public key of the log"
        rows={4}
        spellcheck={false}
        value={text}
        placeholder="The text of audit-public.pem, or the line that npm run audit:keys prints"
        onInput={(event) => setText(event.currentTarget.value)}
      />
      {fault && <Failure message={fault} />}
      <p class="proof-tools">
        <button type="button" class="button" onClick={keep}>
          Check with this key
        </button>
        <span class="muted">It stays in this browser. Take it from whoever runs the log, not from this page.</span>
      </p>
    </details>
  )
}
