// Loaded before each script. Where bootstrap.mjs has become the script, npm is above it; else bootstrap.mjs holds the other end of
// this channel. When who is above is killed the script is to end too.
import { whenNpmEnds } from './when-npm-ends.mjs'

if (process.channel) {
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel.unref()
} else whenNpmEnds(() => process.kill(process.pid, 'SIGTERM'))
