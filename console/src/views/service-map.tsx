/** The service map: circles whose rim shows the share of failures and refusals, arrows with rate and p95. */
import { serviceColor } from '../data/colors.ts'
import type { Flow, GraphEdge, GraphNode, ServiceGraph } from '../data/graph.ts'
import { formatValue } from '../data/units.ts'
import { curve, edgeKey, layoutMap, middle, NODE_RADIUS, type Point, scaleInto } from './map-layout.ts'
import './service-map.css'

interface MapProps {
  readonly graph: ServiceGraph
  readonly label: string
  readonly selected?: string | undefined
  /** Where a click on a node or edge leads. */
  readonly nodeHref: (node: GraphNode) => string
  readonly edgeHref: (edge: GraphEdge) => string
  /** Pixels to fill; the map is drawn no larger than 1.3 times its natural size. */
  readonly width: number
  readonly height: number
}

const rateText = (flow: Flow): string => formatValue(flow.rate, { unit: 'reqps' })
/** Inside a circle there is room for six characters. */
const shortRate = (flow: Flow): string =>
  `${formatValue(flow.rate, { unit: 'si', decimals: flow.rate < 0.095 ? 2 : flow.rate < 99.5 ? 1 : 0 })}/s`
const p95Text = (flow: Flow): string => (flow.p95 === null ? '' : formatValue(flow.p95, { unit: 's' }))
const share = (ratio: number): string => formatValue(ratio, { unit: 'percentunit' })

const sentence = (name: string, flow: Flow): string =>
  [
    `${name}: ${rateText(flow)}, ${share(flow.errorRatio)} failed (5xx or no answer)`,
    ...(flow.refusedRatio > 0 ? [`${share(flow.refusedRatio)} refused (4xx)`] : []),
    ...(flow.p95 === null ? [] : [`p95 ${p95Text(flow)}`]),
  ].join(', ')

/** From one in a hundred on. Failures before refusals: those are the service's doing, these the caller's. */
const troubleOf = (flow: Flow): 'failing' | 'refusing' | '' =>
  flow.errorRatio >= 0.01 ? 'failing' : flow.refusedRatio >= 0.01 ? 'refusing' : ''

/** Short: there is no room. */
const roughly = (ratio: number): string => formatValue(ratio, { unit: 'percentunit', decimals: ratio < 0.0995 ? 1 : 0 })

const troubleText = (flow: Flow): string =>
  [
    flow.errorRatio > 0 ? `${roughly(flow.errorRatio)} err` : '',
    flow.refusedRatio > 0 ? `${roughly(flow.refusedRatio)} 4xx` : '',
  ]
    .filter(Boolean)
    .join(' · ')

export function ServiceMap({ graph, label, selected, nodeHref, edgeHref, width, height }: MapProps) {
  // A phone is higher than wide: there callers stand above what they call.
  const layout = (['LR', 'TB'] as const)
    .map((direction) =>
      layoutMap(
        graph.nodes.map((node) => node.id),
        graph.edges,
        direction,
      ),
    )
    .reduce((one, other) => (scaleInto(other, width, height) > 1.2 * scaleInto(one, width, height) ? other : one))
  const scale = Math.min(scaleInto(layout, width, height), 1.3)
  const view = { width: width / scale, height: height / scale }
  const offset = { x: (view.width - layout.width) / 2, y: (view.height - layout.height) / 2 }
  return (
    <svg
      class="service-map"
      viewBox={`${-offset.x} ${-offset.y} ${view.width} ${view.height}`}
      width={width}
      height={height}
      aria-label={label}
    >
      <defs>
        {['', '-failing', '-refusing'].map((kind) => (
          <marker
            key={kind}
            id={`arrow${kind}`}
            viewBox="0 0 10 10"
            refX="8"
            refY="5"
            markerWidth="7"
            markerHeight="7"
            orient="auto-start-reverse"
          >
            <path d="M0 0L10 5L0 10z" class={`arrow-head${kind}`} />
          </marker>
        ))}
      </defs>
      {graph.edges.map((edge) => (
        <Edge
          key={edge.id}
          edge={edge}
          points={layout.edges.get(edgeKey(edge.source, edge.target)) ?? []}
          href={edgeHref(edge)}
          selected={selected === edge.id}
        />
      ))}
      {graph.nodes.map((node) => (
        <Node
          key={node.id}
          node={node}
          at={layout.nodes.get(node.id) ?? { x: 0, y: 0 }}
          href={nodeHref(node)}
          selected={selected === node.id}
        />
      ))}
    </svg>
  )
}

function Edge({
  edge,
  points,
  href,
  selected,
}: {
  edge: GraphEdge
  points: readonly Point[]
  href: string
  selected: boolean
}) {
  const trouble = troubleOf(edge)
  const { x, y } = middle(points)
  const lines = [rateText(edge), p95Text(edge), troubleText(edge)].filter(Boolean)
  const half = Math.max(...lines.map((line) => line.length)) * 2.9 + 6
  const top = y - lines.length * 5.5 - 2
  return (
    <a href={href} class={`map-edge ${trouble}${selected ? ' selected' : ''}`}>
      <title>{`${sentence(`${edge.source} to ${edge.target}`, edge)}. Show its traces.`}</title>
      <path d={curve(points)} class="edge-reach" />
      {/* Busier edges are thicker, by the order of magnitude. */}
      <path
        d={curve(points)}
        class="edge-line"
        stroke-width={(1.4 + Math.log10(1 + edge.rate) * 1.2).toFixed(2)}
        marker-end={`url(#arrow${trouble && `-${trouble}`})`}
      />
      <rect x={x - half} y={top} width={half * 2} height={lines.length * 11 + 4} rx="5" class="edge-card" />
      {lines.map((line, i) => (
        <text key={line} x={x} y={top + 10 + i * 11} class={i === 0 ? 'edge-rate' : 'edge-slow'}>
          {line}
        </text>
      ))}
    </a>
  )
}

const CIRCUMFERENCE = 2 * Math.PI * NODE_RADIUS

function Node({ node, at, href, selected }: { node: GraphNode; at: Point; href: string; selected: boolean }) {
  const bad = Math.min(node.errorRatio, 1) * CIRCUMFERENCE
  const refused = Math.min(node.refusedRatio, 1 - Math.min(node.errorRatio, 1)) * CIRCUMFERENCE
  const database = node.kind === 'database'
  return (
    <a href={href} class={`map-node${selected ? ' selected' : ''}`}>
      <title>{sentence(node.id, node)}</title>
      <g transform={`translate(${at.x} ${at.y})`}>
        <circle r={NODE_RADIUS} class="node-body" />
        <circle r={NODE_RADIUS} class="node-ok" />
        {bad > 0.5 && (
          <circle
            r={NODE_RADIUS}
            class="node-bad"
            stroke-dasharray={`${bad} ${CIRCUMFERENCE - bad}`}
            transform="rotate(-90)"
          />
        )}
        {refused > 0.5 && (
          <circle
            r={NODE_RADIUS}
            class="node-refused"
            stroke-dasharray={`${refused} ${CIRCUMFERENCE - refused}`}
            transform={`rotate(${(bad / CIRCUMFERENCE) * 360 - 90})`}
          />
        )}
        {node.p95 !== null && (
          <text y={-3} class="node-p95">
            {p95Text(node)}
          </text>
        )}
        <text y={node.p95 === null ? 4 : 10} class="node-rate">
          {shortRate(node)}
        </text>
        <g transform={`translate(0 ${NODE_RADIUS + 17})`}>
          <text class="node-name" text-anchor="middle">
            {node.id}
          </text>
          <text class="node-kind" y={13} text-anchor="middle">
            {database ? 'database' : troubleText(node)}
          </text>
        </g>
        <circle r={4} cx={-NODE_RADIUS * 0.72} cy={-NODE_RADIUS * 0.72} fill={serviceColor(node.id)} class="node-dot" />
      </g>
    </a>
  )
}
