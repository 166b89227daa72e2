/** A tool: one question that can be asked of the running system. Terminal and MCP server ask all of them by these values. */
import { z } from 'zod'
import { type Answer, DEFAULT_BYTES, LEAST_BYTES, MOST_BYTES, type Row } from './answer.ts'
import type { System } from './system.ts'

/** A tool whose parameters have been forgotten by the compiler; `schema` checks them. */
export interface Tool {
  /** As it is called in a terminal and over MCP. */
  readonly name: string
  /** A line for lists. */
  readonly title: string
  /** When to use it, what comes back, what to ask next. */
  readonly about: string
  /** Arguments as a terminal takes them, for the help. */
  readonly example: string
  readonly schema: z.ZodObject
  /** Which parameters a terminal takes without their names, in order. */
  readonly positionals: readonly string[]
  /** Asks the engines. Rejects with an Unanswered or a StartError, whose messages are for the user. */
  readonly run: (args: Record<string, unknown>, system: System) => Promise<Answer>
  /** What `--follow` shows as it comes: rows of this list, known again by this key. */
  readonly follow?: { readonly list: string; readonly key: (row: Row) => string }
}

interface Definition<Shape extends z.ZodRawShape> extends Omit<Tool, 'schema' | 'run' | 'positionals'> {
  readonly parameters: Shape
  readonly positionals?: readonly (keyof Shape & string)[]
  readonly run: (args: z.output<z.ZodObject<Shape>>, system: System) => Promise<Answer>
}

/** `bytes` is a parameter of every tool, and none that `run` has to know. */
export function defineTool<Shape extends z.ZodRawShape>({ parameters, ...rest }: Definition<Shape>): Tool {
  const bytes = z
    .int()
    .min(LEAST_BYTES)
    .max(MOST_BYTES)
    .default(DEFAULT_BYTES)
    .describe(`the longest answer, in bytes: ${LEAST_BYTES} to ${MOST_BYTES}`)
  const schema = z.strictObject({ ...parameters, bytes })
  return { positionals: [], ...rest, schema, run: rest.run as Tool['run'] }
}

const rows = (most: number, standard: number) => z.int().min(1).max(most).default(standard)
/** Parameters that several tools have. */
export const limit = (what: string, standard: number, most: number) =>
  rows(most, standard).describe(`how many ${what} at most`)
export const offset = z.int().min(0).max(1_000_000).default(0).describe('how many to pass over: for the next page')
export const traceId = z
  .string()
  .regex(/^[0-9a-f]{1,32}$/i, 'a trace id has up to 32 hexadecimal digits, as in X-Trace-Id or trace_id')
  .transform((id) => id.toLowerCase().padStart(32, '0'))
  .describe('the trace id: 32 hexadecimal digits')
