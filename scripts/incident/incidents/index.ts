/** All incidents, the easier ones first. */
import type { Incident } from '../incident.ts'
import { avalanche } from './avalanche.ts'
import { brokenTrail } from './broken-trail.ts'
import { emptyShelf } from './empty-shelf.ts'
import { everyoneWaits } from './everyone-waits.ts'
import { gapsInTheRecord } from './gaps-in-the-record.ts'
import { growingHeavy } from './growing-heavy.ts'
import { halfReceipts } from './half-receipts.ts'
import { impossibleTimeline } from './impossible-timeline.ts'
import { invisibleErrors } from './invisible-errors.ts'
import { lateLetters } from './late-letters.ts'
import { longAisle } from './long-aisle.ts'
import { longHistory } from './long-history.ts'
import { lunchHour } from './lunch-hour.ts'
import { morningFreeze } from './morning-freeze.ts'
import { slowTuesday } from './slow-tuesday.ts'
import { strangeAnswers } from './strange-answers.ts'
import { stuckCheckout } from './stuck-checkout.ts'
import { warmDatabase } from './warm-database.ts'

export const incidents: readonly Incident[] = [
  slowTuesday,
  lunchHour,
  longHistory,
  emptyShelf,
  longAisle,
  stuckCheckout,
  halfReceipts,
  morningFreeze,
  warmDatabase,
  brokenTrail,
  strangeAnswers,
  impossibleTimeline,
  growingHeavy,
  everyoneWaits,
  lateLetters,
  avalanche,
  gapsInTheRecord,
  invisibleErrors,
]
