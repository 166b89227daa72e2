/** What stands where data would: loading, nothing found, or what went wrong. */
import { Icon } from './icons.tsx'

export const Loading = ({ what = 'Loading' }: { what?: string }) => (
  <p class="state" role="status">
    {what}…
  </p>
)

export const NoData = ({ hint }: { hint?: string }) => (
  <p class="state no-data" data-state="no-data">
    <strong>No data</strong>
    {hint && <span>{hint}</span>}
  </p>
)

export const Failure = ({ message }: { message: string }) => (
  <p class="state failure" role="alert" data-state="error">
    <Icon name="warning" /> <span>{message}</span>
  </p>
)
