/** All dashboards of the folder, those dropped in by hand included. */
import { absentSentence } from '../data/absent.ts'
import { absentHere } from '../data/absent-here.ts'
import type { DashboardEntry } from '../data/grafana-json.ts'
import { placesClosed, placesWithout } from '../data/places.ts'
import { useTitle } from '../shell/title.ts'
import './home.css'

export function Home({ entries }: { entries: readonly DashboardEntry[] }) {
  useTitle('Dashboards')
  const absent = absentHere()
  const shown = entries.filter(({ without }) => !without)
  const left = [...entries.filter(({ without }) => without), ...placesClosed(absent)]
    .map(({ title }) => title)
    .join(', ')
  return (
    <main class="page home">
      <h1>Dashboards</h1>
      <p class="muted">
        These are the files in <code>observability/grafana/dashboards</code>, the same that Grafana shows. A classic
        dashboard JSON put there appears here.
      </p>
      <ul class="cards">
        {shown.map((entry) => (
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
        {placesWithout(absent).map(({ path, title, says }) => (
          <li key={path}>
            <a href={path} class="card">
              <strong>{title}</strong>
              <span>{says}</span>
            </a>
          </li>
        ))}
      </ul>
      {absent.length > 0 && (
        <p class="muted" role="note">
          {absentSentence(absent)} {left && `What needs them is left out: ${left}.`}
        </p>
      )}
    </main>
  )
}
