/** How PostgreSQL went about a statement: its steps as a tree, each with what it costs by itself. */
import { useMemo } from 'preact/hooks'
import { type PlanStep, readPlan } from '../data/plan.ts'
import './query-plan.css'

const count = new Intl.NumberFormat('en', { maximumFractionDigits: 2 })

/** Nothing for a text that is no plan. */
export function QueryPlan({ text }: { text: string }) {
  const steps = useMemo(() => readPlan(text), [text])
  if (!steps) return null
  return (
    <table class="query-plan">
      <thead>
        <tr>
          <th scope="col">Step</th>
          <th scope="col" title="Rows that the planner expects, and those that came where they were counted">
            Rows
          </th>
          <th scope="col" title="The planner’s cost of the step without those below it: reading a page in order is 1">
            Cost
          </th>
        </tr>
      </thead>
      <tbody>
        {steps.map((step, index) => (
          <tr key={index}>
            <td style={{ '--depth': step.depth }}>
              {step.title}
              {step.details.map((detail) => (
                <span key={detail} class="muted">
                  {detail}
                </span>
              ))}
            </td>
            <td>{rowsText(step)}</td>
            <td style={{ '--share': step.share }}>{count.format(step.cost)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  )
}

const rowsText = ({ rows, actualRows }: PlanStep): string =>
  [rows === null ? '' : count.format(rows), actualRows === null ? '' : `${count.format(actualRows)} came`]
    .filter(Boolean)
    .join(', ')
