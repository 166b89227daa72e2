import { type ParseArgsConfig, parseArgs } from 'node:util'

/** What was given on the command line. A flag that the command doesn't know ends the program (2), saying how it is used. */
export function readFlags<Config extends ParseArgsConfig>(
  usage: string,
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config)
  } catch (error) {
    console.error(`${(error as Error).message}\nUsage: ${usage}`)
    process.exit(2)
  }
}
