// Loaded before each script: bootstrap.mjs holds the other end of this channel, and when it is killed the script is to end too.
if (process.channel) {
  process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel.unref()
}
