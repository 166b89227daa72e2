/**
 * Loaded before a service that is to be profiled: SIGUSR2 begins a V8 CPU profile of its main thread, the next one writes it to
 * BENCH_PROFILE, whole or not at all.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { Session } from 'node:inspector/promises'

const file = process.env.BENCH_PROFILE!
const session = new Session()
session.connect()
await session.post('Profiler.enable')
await session.post('Profiler.setSamplingInterval', { interval: 1000 })
let recording = false

process.on('SIGUSR2', async () => {
  recording = !recording
  if (recording) return session.post('Profiler.start')
  const { profile } = await session.post('Profiler.stop')
  writeFileSync(`${file}.part`, JSON.stringify(profile))
  renameSync(`${file}.part`, file)
})
