/**
 * Feature flags of one process, from a file in flagd's format (https://flagd.dev/reference/flag-definitions/) that may change
 * at any time. While no flag in it is enabled nothing is evaluated and the OpenFeature SDK is not even loaded: `enabled` is
 * undefined, and that one property is all that a place with a flag looks at.
 */
import { readFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { propagation, context as telemetryContext } from '@opentelemetry/api'
import { again } from '../again.ts'
import type { Logger } from '../logging.ts'
import { currentRequest } from '../request-context.ts'
import type { Component } from '../run-group.ts'
import type { Evaluator, FlagSettings } from './evaluator.ts'

export type { FlagSettings } from './evaluator.ts'

/** The flags of this process, as they are now. */
export interface Flags extends Component {
  /** Keys of the enabled flags; undefined while there is none. */
  readonly enabled: ReadonlySet<string> | undefined
  /**
   * The settings of the variant that the flag's targeting gives the active request; undefined where the flag is not enabled
   * or its variant has no settings (`{}`). The evaluation is an event on the active span. Never rejects.
   */
  settings(key: string): Promise<FlagSettings | undefined>
  /** Resolves when the file has been read: before that no flag is enabled. */
  start(): Promise<void>
  /** Calls `listener` after each change of the file that was taken over. */
  onChange(listener: () => void): void
}

/** How often the file is looked at, milliseconds: by its times, which works on a mounted folder too. */
const LOOK_EVERY_MS = 250

/**
 * The flags in `file`; without one none is ever enabled. A file that is not there has no flags. One that can't be read or is no
 * flag definition leaves the flags as they were, with a warning.
 */
export function openFlags(file: string | undefined, service: string, logger: Logger): Flags {
  const listeners: (() => void)[] = []
  let enabled: ReadonlySet<string> | undefined
  let evaluator: Evaluator | undefined
  /** What the file was like when it was last read. Looked at before that, so that what changes meanwhile is read again. */
  let seen: string | undefined

  async function read(path: string): Promise<void> {
    try {
      const text = readText(path)
      const keys = enabledIn(text)
      if (keys !== undefined) {
        evaluator ??= await (await import('./evaluator.ts')).createEvaluator(service)
        evaluator.configure(text)
      }
      enabled = keys
    } catch (error) {
      logger.warn(`SIGHTLINE_FLAGS_FILE=${path} is not taken over, the flags stay as they were`, error as Error)
      return
    }
    for (const listener of listeners) listener()
  }

  async function look(path: string): Promise<void> {
    const now = await stateOf(path)
    if (now === seen) return
    seen = now
    await read(path)
  }

  const looking =
    file === undefined
      ? undefined
      : again(
          async () => {
            await look(file)
            return LOOK_EVERY_MS
          },
          (error) => {
            logger.warn(`A flag of ${file} could not be obeyed`, error)
            return LOOK_EVERY_MS
          },
        )

  return {
    get enabled() {
      return enabled
    },
    async settings(key) {
      if (evaluator === undefined || !enabled?.has(key)) return undefined
      const user = propagation.getBaggage(telemetryContext.active())?.getEntry('user.id')?.value
      return evaluator.settings(key, {
        targetingKey: currentRequest()?.requestId ?? service,
        // Targeting reads them as `service.name` and `user.id`: a dot goes one level down.
        service: { name: service },
        ...(user === undefined ? {} : { user: { id: user } }),
      })
    },
    onChange: (listener) => void listeners.push(listener),
    async start() {
      if (file === undefined) return
      await look(file)
      await looking?.start()
    },
    async stop() {
      await looking?.stop()
    },
  }
}

/** Another text after each change of the file. What can't be looked at is told by whoever reads it. */
async function stateOf(path: string): Promise<string> {
  try {
    const { ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true })
    return [ino, size, mtimeNs, ctimeNs].join()
  } catch (error) {
    return String((error as NodeJS.ErrnoException).code)
  }
}

/** Empty for a file that is not there. */
function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

/** undefined for none. Throws for text that is no JSON. */
function enabledIn(text: string): ReadonlySet<string> | undefined {
  if (text.trim() === '') return undefined
  const { flags = {} } = JSON.parse(text) as { flags?: Record<string, { state?: unknown }> }
  const keys = Object.entries(flags).flatMap(([key, flag]) => (flag.state === 'ENABLED' ? [key] : []))
  return keys.length > 0 ? new Set(keys) : undefined
}
