import type { Drill } from './drill.ts'
import { killDrills } from './kill.ts'
import { rollingRestart } from './rolling.ts'

export const drills: Drill[] = [...killDrills, rollingRestart]
