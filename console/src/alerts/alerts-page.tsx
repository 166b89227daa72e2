/** /alerts: what fires, what is about to, what doesn't; since when, why, and what Alertmanager does with it. */
import { counted } from '@sightline/contracts/counted'
import {
  type ActiveAlert,
  ALERT_STATES,
  type Alertmanager,
  type AlertRule,
  type AlertState,
  alertHistory,
  alertLinks,
  alertmanager,
  alertRules,
  receivedAs,
  type Spell,
  withoutTemplates,
} from '../data/alerts.ts'
import { exploreHref } from '../data/explore-address.ts'
import { newClient } from '../data/http.ts'
import { safeHref } from '../data/safe-href.ts'
import { localDateTime, localTime, type TimeRange } from '../data/time-range.ts'
import { agoText, formatValue } from '../data/units.ts'
import { Failure, Loading, NoData } from '../shell/states.tsx'
import { useTime } from '../shell/time.tsx'
import { useTitle } from '../shell/title.ts'
import { setParams, useAddress } from '../shell/url.ts'
import { type QueryState, useQuery } from '../shell/use-query.ts'
import './alerts-page.css'

const STATE_NAMES: Record<AlertState, string> = { firing: 'Firing', pending: 'Pending', inactive: 'Inactive' }

export function AlertsPage() {
  const { params } = useAddress()
  const { range, tick } = useTime()
  const rules = useQuery(`rules ${tick}`, (signal) => alertRules(newClient(signal)))
  const manager = useQuery(`alertmanager ${tick}`, (signal) => alertmanager(newClient(signal)))
  const history = useQuery(JSON.stringify(['history', range, tick]), (signal) => alertHistory(newClient(signal), range))
  const state = ALERT_STATES.find((one) => one === params.get('state'))
  const count = (of: AlertState) => rules.data?.filter((rule) => rule.state === of).length ?? 0
  const shown = rules.data?.filter((rule) => state === undefined || rule.state === state) ?? []
  useTitle(count('firing') > 0 ? `(${count('firing')}) Alerts` : 'Alerts')
  return (
    <main class="page alerts-page">
      <div class="page-head">
        <h1>Alerts</h1>
        <fieldset class="tabs" aria-label="Which rules">
          <button type="button" aria-pressed={state === undefined} onClick={() => setParams({ state: null })}>
            All {rules.data?.length}
          </button>
          {ALERT_STATES.map((one) => (
            <button key={one} type="button" aria-pressed={state === one} onClick={() => setParams({ state: one })}>
              {STATE_NAMES[one]} {rules.data && count(one)}
            </button>
          ))}
        </fieldset>
        <ManagerState manager={manager} />
      </div>
      {rules.error && <Failure message={`What fires isn't known. ${rules.error}`} />}
      {rules.loading && !rules.data && !rules.error && <Loading />}
      {manager.data && manager.data.silences.length > 0 && <Silences {...manager.data} />}
      {rules.data && !rules.error && shown.length === 0 && (
        <NoData
          hint={
            state === undefined
              ? 'Prometheus has no alert rules.'
              : `No rule is ${state === 'firing' ? 'firing: all is well' : state}.`
          }
        />
      )}
      {!rules.error && (
        <ul class="alert-rules" aria-label="Alert rules">
          {shown.map((rule) => (
            <Rule
              key={`${rule.group}/${rule.name}`}
              rule={rule}
              manager={manager.data}
              spells={history.data?.get(rule.name) ?? []}
              range={range}
            />
          ))}
        </ul>
      )}
      {history.error && !rules.error && <Failure message={`Their past isn't known. ${history.error}`} />}
    </main>
  )
}

/** What becomes of alerts: a sentence. */
function ManagerState({ manager: { data, error, loading } }: { manager: QueryState<Alertmanager | undefined> }) {
  if (error) return <Failure message={`Alertmanager tells nobody now. ${error}`} />
  if (loading && !data) return null
  if (!data) return <p class="muted">This system runs without an Alertmanager: nobody is told of an alert.</p>
  return (
    <p class="muted" role="status">
      Alertmanager has {counted(data.alerts.length, 'alert')} and {counted(data.silences.length, 'silence')}; its{' '}
      {data.receivers.length === 1 ? 'receiver' : 'receivers'}: {data.receivers.join(', ')}.
    </p>
  )
}

const Silences = ({ silences }: Alertmanager) => (
  <section class="silences" aria-label="Silences">
    <h2>Silences</h2>
    <ul>
      {silences.map(({ id, matchers, comment, by, endsAt }) => (
        <li key={id}>
          <code>{matchers}</code> until {localDateTime(endsAt)}, by {by}: {comment}
        </li>
      ))}
    </ul>
  </section>
)

interface RuleProps {
  readonly rule: AlertRule
  readonly manager: Alertmanager | undefined
  readonly spells: readonly Spell[]
  readonly range: TimeRange
}

/** Closed while it says nothing. */
function Rule({ rule, manager, spells, range }: RuleProps) {
  const { raw } = useTime()
  const { name, state, labels, annotations, alerts, problem } = rule
  const first = alerts[0]
  const links = alertLinks(rule, raw).filter(({ href }) => safeHref(href) !== undefined)
  const text = (annotation: string) => {
    const said = first?.annotations[annotation] ?? annotations[annotation]
    return said === undefined ? undefined : withoutTemplates(said)
  }
  return (
    <li class={`alert-rule ${state}`} id={name}>
      <details open={state !== 'inactive'}>
        <summary>
          <span class={`alert-state ${state}`}>{STATE_NAMES[state]}</span>
          <strong>{name}</strong>
          {labels.severity && <span class={`severity ${labels.severity}`}>{labels.severity}</span>}
          <span class="alert-summary">{text('summary')}</span>
          {first && (
            <time class="muted" dateTime={new Date(first.since).toISOString()} title={localDateTime(first.since)}>
              since {localTime(first.since)}, {agoText(Date.now() - first.since)}
            </time>
          )}
          <History spells={spells} range={range} name={name} />
        </summary>
        <div class="alert-body">
          {problem && <Failure message={`Prometheus can't judge it: ${problem}`} />}
          {text('description') && <p>{text('description')}</p>}
          <p class="alert-ways">
            {links.map(({ title, href }) => (
              <a key={title} class="button" href={href}>
                {title}
              </a>
            ))}
          </p>
          {alerts.length > 0 && <Alerts alerts={alerts} manager={manager} />}
          <p class="muted">
            {rule.forSeconds > 0
              ? `Fires when this holds for ${formatValue(rule.forSeconds, { unit: 's' })}:`
              : 'Fires as soon as this holds:'}
          </p>
          <a class="alert-expression" href={exploreHref('prometheus', rule.expression, raw)} title="Ask it in Explore">
            <code>{rule.expression.trim()}</code>
          </a>
        </div>
      </details>
    </li>
  )
}

/** When it was pending and when it fired, over the range. */
function History({ spells, range, name }: { spells: readonly Spell[]; range: TimeRange; name: string }) {
  const firing = spells.filter(({ state }) => state === 'firing')
  const place = (time: number) =>
    ((Math.min(Math.max(time, range.from), range.to) - range.from) / (range.to - range.from)) * 100
  const says =
    firing.length === 0 ? 'Did not fire in the range' : `Fired ${counted(firing.length, 'time')} in the range`
  return (
    <svg
      class="alert-history"
      viewBox="0 0 100 10"
      preserveAspectRatio="none"
      role="img"
      aria-label={`${name}: ${says}`}
    >
      <title>{says}</title>
      {spells.map(({ state, from, to }) => (
        <rect
          key={`${state}${from}`}
          class={state}
          x={place(from)}
          width={Math.max(place(to) - place(from), 0.6)}
          y="0"
          height="10"
        />
      ))}
    </svg>
  )
}

/** Each with what tells it from the others of its rule. */
function Alerts({ alerts, manager }: { alerts: readonly ActiveAlert[]; manager: Alertmanager | undefined }) {
  return (
    <section class="alert-table" tabIndex={0} aria-label={`${alerts[0]!.labels.alertname}: its alerts`}>
      <table class="data-table">
        <thead>
          <tr>
            <th scope="col">State</th>
            <th scope="col">Since</th>
            <th scope="col" class="number">
              Value
            </th>
            <th scope="col">Labels</th>
            <th scope="col">Told to</th>
          </tr>
        </thead>
        <tbody>
          {alerts.map((alert) => (
            <tr key={JSON.stringify(alert.labels)}>
              <td>{STATE_NAMES[alert.state]}</td>
              <td>{localDateTime(alert.since)}</td>
              <td class="number">{formatValue(alert.value)}</td>
              <td>
                {Object.entries(alert.labels)
                  .filter(([name]) => name !== 'alertname' && name !== 'console')
                  .map(([name, value]) => (
                    <code key={name} class="label-pair">
                      {name}={value}
                    </code>
                  ))}
              </td>
              <td>{alert.state === 'firing' ? toldTo(alert, manager) : ''}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  )
}

function toldTo(alert: ActiveAlert, manager: Alertmanager | undefined): string {
  if (!manager) return 'nobody'
  const received = receivedAs(alert, manager.alerts)
  if (!received) return 'not yet received'
  const held = [received.silencedBy.length > 0 && 'silenced', received.inhibited && 'held back by another alert']
  return held.filter(Boolean).join(', ') || received.receivers.join(', ')
}
