/** /services: rate, errors and duration of every operation of every service, each number with the traces behind it. */
import { useMemo } from 'preact/hooks'
import { serviceColor } from '../data/colors.ts'
import { newClient } from '../data/http.ts'
import {
  loadServices,
  mapHref,
  type Red,
  rangeText,
  type ServiceOperation,
  type ServiceSummary,
  spansHref,
  surelyExceeded,
} from '../data/services.ts'
import type { RawRange } from '../data/time-range.ts'
import { formatValue } from '../data/units.ts'
import { withParams } from '../data/url.ts'
import { Failure, Loading, NoData } from '../shell/states.tsx'
import { useTime } from '../shell/time.tsx'
import { useTitle } from '../shell/title.ts'
import { navigate, setParams, useAddress } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import { type Column, RowTable } from '../views/row-table.tsx'
import { Sparkline } from '../views/sparkline.tsx'
import './services-page.css'

export function ServicesPage() {
  const { params } = useAddress()
  const { raw, range, tick } = useTime()
  useTitle('Services')
  const all = params.get('kinds') === 'all'
  const { data, error, loading } = useQuery(JSON.stringify([range, all, tick]), (signal) =>
    loadServices(newClient(signal), range, all),
  )
  const chosen = params.get('service') ?? undefined
  const rows = useMemo(
    () => data?.operations.filter(({ service }) => chosen === undefined || service === chosen) ?? [],
    [data, chosen],
  )
  return (
    <main class="page services-page" aria-busy={loading}>
      <div class="page-head">
        <h1>Services</h1>
        <fieldset class="tabs" aria-label="Which operations">
          <button type="button" aria-pressed={!all} onClick={() => setParams({ kinds: null })}>
            Requests
          </button>
          <button type="button" aria-pressed={all} onClick={() => setParams({ kinds: 'all' })}>
            Everything they do
          </button>
        </fieldset>
        <a class="button" href={withParams('/map', { from: raw.from, to: raw.to })}>
          Service map
        </a>
        <p class="muted">
          {data ? rangeText(data.since, range) : 'Over the chosen range'}. A number leads to the traces behind it.
        </p>
      </div>
      {error && <Failure message={error} />}
      {loading && !data && <Loading />}
      {data && data.operations.length === 0 && (
        <NoData hint="No request was measured in this time range. Try a longer one, or: npm run load" />
      )}
      {data && data.operations.length > 0 && (
        <>
          <ul class="service-cards" aria-label="Services">
            {data.services.map((service) => (
              <ServiceCard key={service.service} summary={service} chosen={chosen === service.service} raw={raw} />
            ))}
          </ul>
          <Operations rows={rows} all={all} raw={raw} order={params.get('sort') ?? ''} />
        </>
      )}
    </main>
  )
}

/** What happens less often than every ten seconds is counted by the minute. */
const rateText = (rate: number): string =>
  rate >= 0.1 || rate === 0 ? `${formatValue(rate, { unit: 'si' })}/s` : `${formatValue(rate * 60)}/min`
const secondsText = (seconds: number | null): string => formatValue(seconds, { unit: 's' })
const shareText = (ratio: number): string => formatValue(ratio, { unit: 'percentunit' })

/** A service at a glance; its name narrows the table to it. */
function ServiceCard({ summary, chosen, raw }: { summary: ServiceSummary; chosen: boolean; raw: RawRange }) {
  const { service, rate, p95, past } = summary
  const name = `${chosen ? 'All services again' : 'Only the operations of this service'}`
  return (
    <li class="service-card" style={{ '--data-color': serviceColor(service) }}>
      <button
        type="button"
        class="service-card-name"
        aria-pressed={chosen}
        title={name}
        onClick={() => setParams({ service: chosen ? null : service })}
      >
        {service}
      </button>
      <dl>
        <div>
          <dt>Rate</dt>
          <dd>{rateText(rate)}</dd>
        </div>
        <div>
          <dt>Errors</dt>
          <dd>
            <Errors of={summary} where={{ service }} raw={raw} />
          </dd>
        </div>
        <div>
          <dt>p95</dt>
          <dd>{secondsText(p95)}</dd>
        </div>
      </dl>
      <div class="service-card-past">
        <Sparkline values={past} color={serviceColor(service)} />
      </div>
      <p class="service-card-ways">
        <a href={spansHref({ service }, 'all', raw)} aria-label={`Traces of ${service}`}>
          Traces
        </a>
        <a href={mapHref(service, raw)} aria-label={`On the map: ${service}`}>
          On the map
        </a>
      </p>
    </li>
  )
}

/** Where a number is from: a service, or one operation of it. */
type Where = Parameters<typeof spansHref>[0]

const Errors = ({ of: { errorRatio }, where, raw }: { of: Red; where: Where; raw: RawRange }) =>
  errorRatio > 0 ? (
    <a class="error-text" href={spansHref(where, 'failed', raw)} title="Those that failed">
      {shareText(errorRatio)}
    </a>
  ) : (
    <span class="muted">0%</span>
  )

interface OperationsProps {
  readonly rows: readonly ServiceOperation[]
  readonly all: boolean
  readonly raw: RawRange
  readonly order: string
}

function Operations({ rows, all, raw, order }: OperationsProps) {
  const columns = useMemo(() => columnsFor(all, raw), [all, raw])
  const byKey = useMemo(() => new Map(rows.map((row) => [keyOf(row), row])), [rows])
  return (
    <div class="services-table">
      <RowTable
        label="Operations"
        rows={rows}
        columns={columns}
        keyOf={keyOf}
        order={order}
        onOrder={(sort) => setParams({ sort }, true)}
        onSelect={(key) => key !== undefined && navigate(spansHref(byKey.get(key)!, 'all', raw))}
      />
    </div>
  )
}

const keyOf = ({ service, name, kind }: ServiceOperation): string => JSON.stringify([service, name, kind])

function columnsFor(all: boolean, raw: RawRange): Column<ServiceOperation>[] {
  const number = { number: true, wide: true, width: '92px' }
  return [
    {
      id: 'name',
      name: 'Operation',
      value: ({ service, name }) => `${service} ${name}`,
      cell: (row) => (
        <>
          <span class="span-color" style={{ background: serviceColor(row.service) }} />
          <a href={spansHref(row, 'all', raw)} title={`${row.service} ${row.name}: its traces`}>
            <b>{row.service}</b> {row.name}
          </a>
        </>
      ),
    },
    ...(all
      ? [
          {
            id: 'kind',
            name: 'Kind',
            wide: true,
            width: '84px',
            value: (row: ServiceOperation) => row.kind,
            cell: (row: ServiceOperation) => <span class="muted">{row.kind}</span>,
          },
        ]
      : []),
    {
      id: 'past',
      name: 'Over time',
      wide: true,
      width: '136px',
      cell: (row) => <Sparkline values={row.past} color={serviceColor(row.service)} />,
    },
    {
      id: 'rate',
      name: 'Rate',
      number: true,
      width: 'min(92px, 20vw)',
      value: (row) => row.rate,
      cell: (row) => rateText(row.rate),
    },
    {
      id: 'errors',
      name: 'Errors',
      title: 'Share of spans that ended with an error: at a server 5xx and no answer',
      number: true,
      width: 'min(84px, 17vw)',
      value: (row) => row.errorRatio,
      cell: (row) => <Errors of={row} where={row} raw={raw} />,
    },
    {
      id: 'refused',
      name: 'Refused',
      title: 'Share answered 4xx: what the caller did wrong',
      ...number,
      value: (row) => row.refusedRatio,
      cell: (row) =>
        row.refusedRatio > 0 ? (
          <a class="warn-text" href={spansHref(row, 'refused', raw)} title="Those that were refused">
            {shareText(row.refusedRatio)}
          </a>
        ) : (
          <span class="muted">0%</span>
        ),
    },
    ...(['p50', 'p95', 'p99'] as const).map((quantile) => ({
      id: quantile,
      name: quantile,
      ...number,
      ...(quantile === 'p95' && { wide: false, width: 'min(92px, 20vw)' }),
      value: (row: ServiceOperation) => row[quantile] ?? -1,
      cell: (row: ServiceOperation) => <Slower row={row} seconds={row[quantile]} raw={raw} />,
    })),
  ]
}

function Slower({ row, seconds, raw }: { row: ServiceOperation; seconds: number | null; raw: RawRange }) {
  if (seconds === null) return <span class="muted">-</span>
  const slowerThan = surelyExceeded(seconds)
  return (
    <a href={spansHref(row, { slowerThan }, raw)} title={`Those that took more than ${secondsText(slowerThan)}`}>
      {secondsText(seconds)}
    </a>
  )
}
