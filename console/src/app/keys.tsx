/** The keys that hold on every page, and the dialog that lists those of the page one is on. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { absentHere } from '../data/absent-here.ts'
import { type KeyTable, strokesOf } from '../data/keys.ts'
import { keysWithout } from '../data/places.ts'
import { Icon } from '../shell/icons.tsx'
import { tablesInSight, useKeys } from '../shell/keys.ts'
import { useTime } from '../shell/time.tsx'
import { navigate } from '../shell/url.ts'
import './keys.css'

const KEYS_HERE = keysWithout(absentHere())

/** The button that shows the keys; with it they work. */
export function Keys() {
  const { refreshNow } = useTime()
  const [tables, setTables] = useState<readonly KeyTable[]>()
  const show = () => setTables([...tablesInSight().filter((one) => one !== KEYS_HERE), KEYS_HERE])
  useKeys(KEYS_HERE, (does) => {
    if (does === 'help') show()
    else if (does === 'find') toSearch()
    else if (does === 'time') document.querySelector<HTMLElement>('.time-controls .menu-button')?.click()
    else if (does === 'refresh') refreshNow()
    else navigate(does)
  })
  return (
    <>
      <button type="button" class="icon-button" aria-label="Keys" title="Keys (?)" onClick={show}>
        <Icon name="help" />
      </button>
      {tables && <KeysDialog tables={tables} onClose={() => setTables(undefined)} />}
    </>
  )
}

/** What the page has to search or ask in; else the trace's id at the top. */
function toSearch(): void {
  const field =
    document.querySelector<HTMLElement>('main [data-find]') ?? document.querySelector<HTMLElement>('header [data-find]')
  const within = field?.shadowRoot?.querySelector<HTMLElement>('[contenteditable="true"]')
  ;(within ?? field)?.focus()
}

function KeysDialog({ tables, onClose }: { tables: readonly KeyTable[]; onClose: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null)
  // The browser puts the focus back where it was when the dialog closes.
  useLayoutEffect(() => dialog.current?.showModal(), [])
  return (
    <dialog class="keys" ref={dialog} onClose={onClose} aria-labelledby="keys-title">
      <div class="keys-head">
        <h2 id="keys-title">Keys</h2>
        <button type="button" class="icon-button" aria-label="Close" onClick={() => dialog.current?.close()}>
          <Icon name="close" />
        </button>
      </div>
      <div class="keys-tables">
        {tables.map(({ title, keys }) => (
          <section key={title} aria-label={title}>
            <h3>{title}</h3>
            <dl>
              {keys.map(({ keys: same, says }) => (
                <div key={says}>
                  <dt>
                    {same.map((key, i) => (
                      <span key={key}>
                        {i > 0 && <i> or </i>}
                        <Strokes text={key} />
                      </span>
                    ))}
                  </dt>
                  <dd>{says}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
    </dialog>
  )
}

const Strokes = ({ text }: { text: string }) => (
  <>
    {strokesOf(text).map((stroke, i) => (
      <span key={stroke.join()}>
        {i > 0 && ' '}
        {stroke.map((name, j) => (
          <span key={name}>
            {j > 0 && '+'}
            <kbd>{name}</kbd>
          </span>
        ))}
      </span>
    ))}
  </>
)
