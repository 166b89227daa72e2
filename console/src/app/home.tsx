/** All dashboards of the folder, those dropped in by hand included. */
import type { DashboardEntry } from '../data/grafana-json.ts'
import { useTitle } from '../shell/title.ts'
import './home.css'

export function Home({ entries }: { entries: readonly DashboardEntry[] }) {
  useTitle('Dashboards')
  return (
    <main class="page home">
      <h1>Dashboards</h1>
      <p class="muted">
        These are the files in <code>observability/grafana/dashboards</code>, the same that Grafana shows. A classic
        dashboard JSON put there appears here.
      </p>
      <ul class="cards">
        {entries.map((entry) => (
          <li key={entry.file}>
            <a href={`/d/${encodeURIComponent(entry.uid)}`} class="card">
              <strong>{entry.title}</strong>
              <span>{entry.error ?? entry.description}</span>
              <code>{entry.file}</code>
            </a>
          </li>
        ))}
      </ul>
      <h2>Look further</h2>
      <ul class="cards">
        <li>
          <a href="/explore" class="card">
            <strong>Explore</strong>
            <span>
              The newest traces by start and duration; logs and metrics; by a form, or TraceQL, LogQL and PromQL.
            </span>
          </a>
        </li>
        <li>
          <a href="/differs" class="card">
            <strong>What differs</strong>
            <span>Two groups of spans, and the attributes that tell one from the other.</span>
          </a>
        </li>
        <li>
          <a href="/services" class="card">
            <strong>Services</strong>
            <span>Rate, errors and duration of every operation, each number with the traces behind it.</span>
          </a>
        </li>
        <li>
          <a href="/alerts" class="card">
            <strong>Alerts</strong>
            <span>What fires, since when and why, when it fired before, and whom Alertmanager tells.</span>
          </a>
        </li>
        <li>
          <a href="/map" class="card">
            <strong>Service map</strong>
            <span>Who calls whom: rate, errors and p95 of every node and edge.</span>
          </a>
        </li>
        <li>
          <a href="/audit" class="card">
            <strong>Audit table</strong>
            <span>One row per order, linked to its trace, sealed in a hash chain.</span>
          </a>
        </li>
      </ul>
    </main>
  )
}
