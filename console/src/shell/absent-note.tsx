/** What stands where a page would be that this console has nothing for. */
import { type Absentee, absentSentence } from '../data/absent.ts'

export const AbsentNote = ({ absent }: { absent: readonly Absentee[] }) => (
  <p class="state absent" role="note">
    <strong>Nothing to see here</strong>
    <span>{absentSentence(absent)}</span>
  </p>
)
