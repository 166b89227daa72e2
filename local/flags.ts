import { type ParseArgsConfig, parseArgs } from 'node:util'

/**
 * What was given on the command line. `--help` ends the program (0), and a flag that the command doesn't know too (2): both say
 * how it is used. The first line of `usage` is the command, what follows explains it.
 */
export function readFlags<Config extends ParseArgsConfig>(
  usage: string,
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  const args = config.args ?? process.argv.slice(2)
  if (args.includes('--help') || args.includes('-h')) {
    console.log(`Usage: ${usage}`)
    process.exit(0)
  }
  try {
    return parseArgs(config)
  } catch (error) {
    console.error(`${(error as Error).message}\nUsage: ${usage}`)
    process.exit(2)
  }
}
