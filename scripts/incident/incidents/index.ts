/** All incidents, the easier ones first. */
import type { Incident } from '../incident.ts'
import { longAisle } from './long-aisle.ts'
import { lunchHour } from './lunch-hour.ts'
import { slowTuesday } from './slow-tuesday.ts'

export const incidents: readonly Incident[] = [slowTuesday, lunchHour, longAisle]
