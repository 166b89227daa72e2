import { clockStep } from './clock.ts'
import { connections } from './connections.ts'
import type { Drill } from './drill.ts'
import { killDrills } from './kill.ts'
import { poison } from './poison.ts'
import { restartPostgres, rollingRestart } from './rolling.ts'
import { soak } from './soak.ts'
import { stall } from './stall.ts'
import { telemetryDiskFull, telemetryDown } from './telemetry.ts'

export const drills: Drill[] = [
  ...killDrills,
  rollingRestart,
  restartPostgres,
  stall,
  connections,
  clockStep,
  poison,
  telemetryDown,
  telemetryDiskFull,
  soak,
]
