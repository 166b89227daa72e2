/** `node local/stop-left.ts HOME`: what a guard becomes when its launcher is gone (guard.ts). */
import { stopWhatLauncherLeft } from './state-folder.ts'

await stopWhatLauncherLeft(process.argv[2]!)
