/** Which alerts fire before an incident begins: an earlier fault keeps one firing for minutes after it has ended. */
import { askJson, isTold, type Place } from './place.ts'

interface Alerts {
  data: { alerts: { labels: { alertname: string }; state: 'pending' | 'firing' | 'inactive' }[] }
}

/** Their names, each once, in order of the alphabet; null where Prometheus can't be asked. */
export async function firingAlerts({ prometheus }: Pick<Place, 'prometheus'>): Promise<string[] | null> {
  try {
    const { data } = await askJson<Alerts>('Prometheus', `${prometheus}/api/v1/alerts`)
    const firing = data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => labels.alertname)
    return [...new Set(firing)].sort()
  } catch (error) {
    if (!isTold(error)) throw error
    return null
  }
}
