/** Log lines as they come in, by Loki's tail; the list stands still while somebody reads it. */
import { counted } from '@sightline/contracts/counted'
import { useEffect, useState } from 'preact/hooks'
import {
  cleared,
  EMPTY_TAIL,
  paused,
  received,
  resumed,
  TAIL_KEEPS,
  type Tail,
  tailAddress,
} from '../data/live-tail.ts'
import { lineCount } from '../data/log-text.ts'
import { withParams } from '../data/url.ts'
import { Icon } from '../shell/icons.tsx'
import { Failure, NoData } from '../shell/states.tsx'
import { setParams, useAddress } from '../shell/url.ts'
import { LogList } from '../views/log-list.tsx'
import { Download, isWrapped, useLineKeys, Wrap } from './line-tools.tsx'

export function LiveLines({ query }: { query: string }) {
  const { params } = useAddress()
  const [tail, setTail] = useState<Tail>(EMPTY_TAIL)
  const [attempt, setAttempt] = useState(0)
  const connection = useTail(query, attempt, setTail)
  const { lines, held } = tail
  const turn = () => setTail(tail.paused ? resumed : paused)
  useLineKeys(turn)
  const says = tail.letGo > 0 ? `The newest ${lineCount(lines.length)}; older ones had to make room` : undefined
  return (
    <div class="results">
      <div class="line-tools">
        <p class={`live-state ${tail.paused ? 'paused' : connection.state}`} role="status">
          {tail.paused ? 'Paused' : CONNECTION_NAMES[connection.state]}
        </p>
        <button type="button" class="button" disabled={connection.state !== 'open' && !tail.paused} onClick={turn}>
          <Icon name={tail.paused ? 'play' : 'pause'} />{' '}
          {tail.paused ? `Go on${held.length > 0 ? ` with ${held.length} new` : ''}` : 'Pause'}
        </button>
        <button type="button" class="button" onClick={() => setParams({ live: null })}>
          End
        </button>
        <p class="muted">{says ?? lineCount(lines.length)}</p>
        <span class="line-tools-end">
          <button type="button" class="button" disabled={lines.length === 0} onClick={() => setTail(cleared)}>
            Clear
          </button>
          <Wrap />
          <Download lines={lines} says={says && `${says}: ${query.replaceAll(/\s+/g, ' ')}`} />
        </span>
      </div>
      {tail.dropped > 0 && (
        <Failure
          message={`${counted(tail.dropped, 'line')} of them Loki left out: this page was too slow. A narrower query has fewer.`}
        />
      )}
      {connection.state === 'closed' && (
        <>
          <Failure message={connection.reason ?? 'The tail has ended.'} />
          <p class="live-again">
            <button type="button" class="button" onClick={() => setAttempt(attempt + 1)}>
              Connect again
            </button>
          </p>
        </>
      )}
      {lines.length === 0 && connection.state !== 'closed' && (
        <NoData hint={`Lines appear as they are written. The newest ${TAIL_KEEPS.toLocaleString('en')} are kept.`} />
      )}
      {lines.length > 0 && (
        <div class="result-logs">
          <LogList
            lines={lines}
            label="Live lines"
            wrap={isWrapped(params)}
            asked={{ query, hrefOf: (next) => withParams('/explore', { query: next }, params) }}
            // What is under the pointer stays there.
            onOpen={() => setTail(paused)}
          />
        </div>
      )}
    </div>
  )
}

interface Connection {
  readonly state: 'connecting' | 'open' | 'closed'
  /** Why it was closed, for the reader. */
  readonly reason?: string
}

const CONNECTION_NAMES: Record<Connection['state'], string> = {
  connecting: 'Connecting',
  open: 'Live',
  closed: 'Not connected',
}

/** A connection for every query and attempt. What Loki refuses it says as it closes. */
function useTail(query: string, attempt: number, setTail: (change: (tail: Tail) => Tail) => void): Connection {
  const [connection, setConnection] = useState<Connection>({ state: 'connecting' })
  useEffect(() => {
    setConnection({ state: 'connecting' })
    setTail(() => EMPTY_TAIL)
    const socket = new WebSocket(tailAddress(query, location.origin))
    let opened = false
    socket.onopen = () => {
      opened = true
      setConnection({ state: 'open' })
    }
    socket.onmessage = ({ data }) => setTail((tail) => received(tail, String(data)))
    socket.onclose = ({ reason }) =>
      setConnection({
        state: 'closed',
        reason:
          reason ||
          (opened
            ? 'The connection to Loki was lost. Is the system still running?'
            : 'Loki takes no tail now: it is away, or has as many as it takes. Try again in a moment.'),
      })
    return () => {
      socket.onmessage = null
      socket.onclose = null
      socket.close()
    }
  }, [query, attempt])
  return connection
}
