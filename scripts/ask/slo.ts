/** The tool that shows objectives and alerts, as observability/prometheus/rules defines them. */
import { rounded } from './answer.ts'
import { instant } from './metrics.ts'
import { getJson } from './system.ts'
import { defineTool } from './tool.ts'

interface Alert {
  labels: Record<string, string>
  annotations: Record<string, string>
  state: string
  activeAt: string
}

export const slo = defineTool({
  name: 'slo',
  title: 'objectives: what is left of their budgets, how fast they burn, which alerts fire',
  about:
    'For each objective what is left of its budget of three days (below 0: overdrawn), and how many times faster than allowed it burns over 5 minutes and an hour; then the alerts that fire or are about to, with what they count. docs, page slo, has a runbook section for each alert.',
  example: '',
  parameters: {},
  async run(_, system) {
    const [left, allowed, ratios, { data }] = await Promise.all([
      instant(system, 'slo:error_budget_remaining:ratio'),
      instant(system, 'slo:error_budget:ratio'),
      instant(system, '{__name__=~"gateway:request_(errors|slow):ratio_rate(5m|1h)"}'),
      getJson<{ data: { alerts: Alert[] } }>('Prometheus', system.prometheus, { path: '/api/v1/alerts' }),
    ])
    const objectives = allowed.map(({ labels: { slo: objective }, value }) => {
      const series = objective === 'availability' ? 'errors' : 'slow'
      const burn = (range: string) => {
        const ratio = ratios.find(
          ({ labels }) => labels.__name__ === `gateway:request_${series}:ratio_rate${range}`,
        )?.value
        return ratio == null || !value ? null : rounded(ratio / value)
      }
      const remaining = left.find(({ labels }) => labels.slo === objective)?.value
      return {
        objective: objective ?? '',
        allowed_percent: value === null ? null : rounded(value * 100),
        budget_left_percent: remaining == null ? null : Math.round(remaining * 1000) / 10,
        burns_5m: burn('5m'),
        burns_1h: burn('1h'),
      }
    })
    const alerts = data.alerts
      .map(({ labels, annotations, state, activeAt }) => ({
        alert: labels.alertname ?? '',
        state,
        severity: labels.severity ?? '',
        since: activeAt,
        says: annotations.summary ?? '',
        counts: annotations.description ?? '',
      }))
      .sort((a, b) => a.state.localeCompare(b.state))
    return {
      facts: alerts.length === 0 ? { alerts: 'none' } : {},
      lists: [
        { name: 'objectives', rows: objectives },
        { name: 'alerts', rows: alerts },
      ],
      nothing: 'Prometheus has no rules of this system: does it read observability/prometheus/rules?',
    }
  },
})
