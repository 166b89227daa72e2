/** /map: the whole service map, with a table of its edges for those who don't read pictures. */
import type { Field, Frame } from '../data/frame.ts'
import type { ServiceGraph } from '../data/graph.ts'
import { newClient } from '../data/http.ts'
import { edgeHref, nodeHref } from '../data/map-links.ts'
import { loadServiceGraph } from '../data/service-graph.ts'
import { Failure, Loading, NoData } from '../shell/states.tsx'
import { useTime } from '../shell/time.tsx'
import { useTitle } from '../shell/title.ts'
import { useAddress } from '../shell/url.ts'
import { useQuery } from '../shell/use-query.ts'
import { useSize } from '../shell/use-size.ts'
import { DataTable } from '../views/data-table.tsx'
import { ServiceMap } from '../views/service-map.tsx'
import './map-page.css'

export function MapPage() {
  const { params } = useAddress()
  const { raw, range, tick } = useTime()
  useTitle('Service map')
  const {
    data: graph,
    error,
    loading,
  } = useQuery(JSON.stringify([range, tick]), (signal) => loadServiceGraph(newClient(signal), range))
  const [box, { width, height }] = useSize<HTMLDivElement>()
  return (
    <main class="page map-page">
      <div class="page-head">
        <h1>Service map</h1>
        <p class="muted">
          Requests per second and p95 in the chosen range. Red: failed (5xx or no answer); yellow: refused (4xx). Click
          a circle or an arrow for its traces.
        </p>
      </div>
      {error && <Failure message={error} />}
      <div class="map-box" ref={box}>
        {loading && !graph && <Loading />}
        {graph && graph.nodes.length === 0 && <NoData hint="The map appears with the first requests." />}
        {graph && graph.nodes.length > 0 && width > 0 && (
          <ServiceMap
            graph={graph}
            label="Service map"
            selected={params.get('service') ?? undefined}
            width={width}
            height={height}
            nodeHref={nodeHref(raw)}
            edgeHref={edgeHref(raw, graph.nodes)}
          />
        )}
      </div>
      {graph && graph.edges.length > 0 && (
        <DataTable frame={edgeTable(graph)} variables={new Map()} label="Edges of the service map" />
      )}
    </main>
  )
}

function edgeTable({ edges }: ServiceGraph): Frame {
  const column = (name: string, type: Field['type'], values: unknown[], unit?: string): Field => ({
    name,
    type,
    values,
    config: { ...(unit && { unit }) },
  })
  return {
    refId: 'edges',
    fields: [
      column(
        'Client',
        'string',
        edges.map((edge) => edge.source),
      ),
      column(
        'Server',
        'string',
        edges.map((edge) => edge.target),
      ),
      column(
        'Rate',
        'number',
        edges.map((edge) => edge.rate),
        'reqps',
      ),
      column(
        'Errors',
        'number',
        edges.map((edge) => edge.errorRatio),
        'percentunit',
      ),
      column(
        'Refused (4xx)',
        'number',
        edges.map((edge) => edge.refusedRatio),
        'percentunit',
      ),
      column(
        'p95',
        'number',
        edges.map((edge) => edge.p95),
        's',
      ),
    ],
  }
}
