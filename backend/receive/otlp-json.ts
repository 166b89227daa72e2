/**
 * Main thread. OTLP/JSON to protobuf, the values read as the Collector's pdata reads them
 * (https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding): integers as numbers or decimal text and exact,
 * doubles as numbers or text, half a character pair as U+FFFD, ids as hex. What has another form is refused by its
 * place; nothing is left out or rounded without a word.
 */
import {
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf'
import type { GenMessage } from '@bufbuild/protobuf/codegenv2'
import { httpError } from '../http.ts'

/** Anything nested deeper is an attack on the JSON parser's stack or on ours: a span's value allows 32 levels. */
const MAX_JSON_DEPTH = 100
/** 16 MB of short attributes have 800,000. Sixteen of nothing but `{}` have more than five million, of which each takes memory. */
const MOST_OBJECTS = 1_000_000

/**
 * The request in `body` as protobuf. Throws an HttpError: 400 that names what is wrong, and where; 413 when it has more than
 * `mostObjects`, which are counted before any is made.
 */
export function jsonToProtobuf<T extends Message>(
  body: Buffer,
  schema: GenMessage<T>,
  mostObjects = MOST_OBJECTS,
): Uint8Array {
  const parsed = readJson(body, parseExactly, mostObjects)
  try {
    const plain = normalMessage(parsed, schema, []) as JsonValue
    return toBinary(schema, fromJson(schema, plain, { ignoreUnknownFields: true }))
  } catch (error) {
    throw httpError(400, `The body is not OTLP/JSON: ${(error as Error).message}`)
  }
}

/** What `parse` makes of the body. Throws an HttpError: 400 for what is no JSON or nested too deep, 413 as `jsonToProtobuf`. */
export function readJson(
  body: Buffer,
  parse: (text: string) => unknown = JSON.parse,
  mostObjects = MOST_OBJECTS,
): unknown {
  const { depth, objects } = jsonMeasures(body)
  if (depth > MAX_JSON_DEPTH) throw httpError(400, `The JSON is nested deeper than ${MAX_JSON_DEPTH} levels.`)
  if (objects > mostObjects) throw httpError(413, `The JSON has more than ${mostObjects} objects. Send less at once.`)
  try {
    return parse(body.toString('utf8'))
  } catch (error) {
    throw httpError(400, `The body is not JSON: ${(error as Error).message}`)
  }
}

/** Whether `readJson` would give it to the parser. */
export function isBoundedJson(json: Buffer): boolean {
  const { depth, objects } = jsonMeasures(json)
  return depth <= MAX_JSON_DEPTH && objects <= MOST_OBJECTS
}

function jsonMeasures(body: Buffer): { depth: number; objects: number } {
  let objects = 0
  let depth = 0
  let deepest = 0
  let inString = false
  for (let i = 0; i < body.length; i++) {
    const byte = body[i]!
    if (inString) {
      if (byte === 0x5c) i++
      else if (byte === 0x22) inString = false
    } else if (byte === 0x22) inString = true
    else if (byte === 0x7b || byte === 0x5b) {
      deepest = Math.max(deepest, ++depth)
      if (byte === 0x7b) objects++
    } else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return { depth: deepest, objects }
}

/** A number that a double can't hold, as it was written. No JSON value is one. */
class WrittenNumber {
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
}

/** Only numbers like these can be larger than a double holds exactly; times are text and are not meant. */
const MAY_BE_INEXACT = /[:[,]\s*-?(?:\d{16}|[\d.]+[eE])/

/** What JSON.parse gives, but a whole number beyond 2^53 is a WrittenNumber. Throws what JSON.parse throws. */
function parseExactly(text: string): unknown {
  if (!MAY_BE_INEXACT.test(text)) return JSON.parse(text)
  return (JSON.parse as JsonParseWithSource)(text, (_key, value, context) =>
    typeof value === 'number' && Math.abs(value) > Number.MAX_SAFE_INTEGER ? new WrittenNumber(context.source!) : value,
  )
}

/** ECMAScript's JSON.parse source text access, which TypeScript doesn't know yet. */
type JsonParseWithSource = (
  text: string,
  reviver: (key: string, value: unknown, context: { source?: string }) => unknown,
) => unknown

type Path = (string | number)[]

function wrong(path: Path, problem: string): Error {
  const place = path.map((part) => (typeof part === 'number' ? `[${part}]` : `.${part}`)).join('')
  return new Error(`${place.slice(1) || 'the request'} ${problem}`)
}

/** The message in protobuf's own JSON: fields that the schema doesn't have are left out, as they are by pdata. */
function normalMessage(json: unknown, message: DescMessage, path: Path): unknown {
  if (json === null && path.length > 0) return {}
  if (!isObject(json)) throw wrong(path, `should be an object, not ${shown(json)}`)
  const plain: Record<string, unknown> = Object.create(null)
  const fields = fieldsOf(message)
  for (const [name, value] of Object.entries(json)) {
    const field = fields.get(name)
    if (field === undefined) continue
    path.push(name)
    plain[name] = field.fieldKind === 'list' ? normalList(value, field, path) : normalValue(value, field, path)
    path.pop()
  }
  return plain
}

const known = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>()

/** Both spellings are allowed: `traceId` and `trace_id`. */
function fieldsOf(message: DescMessage): ReadonlyMap<string, DescField> {
  let fields = known.get(message)
  if (fields === undefined) {
    fields = new Map(
      message.fields.flatMap((field) => [[field.jsonName, field] as const, [field.name, field] as const]),
    )
    known.set(message, fields)
  }
  return fields
}

function normalList(json: unknown, field: DescField & { fieldKind: 'list' }, path: Path): unknown[] {
  if (json === null) return []
  if (!Array.isArray(json)) throw wrong(path, `should be a list, not ${shown(json)}`)
  const { message, scalar } = field
  if (message === undefined && scalar === undefined) throw wrong(path, 'is a list of enums, which is not read here')
  return json.map((item, i) => {
    path.push(i)
    const plain = message ? normalMessage(item, message, path) : normalScalar(item, field.name, scalar!, path)
    path.pop()
    return plain
  })
}

function normalValue(json: unknown, field: DescField, path: Path): unknown {
  if (field.fieldKind === 'message') return normalMessage(json, field.message, path)
  if (field.fieldKind === 'enum') return normalEnum(json, field, path)
  if (field.fieldKind !== 'scalar') throw wrong(path, 'is a map, which is not read here')
  return normalScalar(json, field.name, field.scalar, path)
}

function normalScalar(json: unknown, name: string, scalar: ScalarType, path: Path): unknown {
  switch (scalar) {
    case ScalarType.STRING:
      return normalText(json, path)
    case ScalarType.BYTES:
      return name.endsWith('_id') ? base64OfHex(normalText(json, path), path) : normalText(json, path)
    case ScalarType.BOOL:
      if (typeof json !== 'boolean') throw wrong(path, `should be true or false, not ${shown(json)}`)
      return json
    case ScalarType.DOUBLE:
      return normalDouble(json, path)
    default:
      return normalInteger(json, INTEGERS[scalar]!, path)
  }
}

/** A string cut in the middle of a character pair keeps the rest of it. Null is the empty string. */
function normalText(json: unknown, path: Path): string {
  if (json === null) return ''
  if (typeof json !== 'string') throw wrong(path, `should be a string, not ${shown(json)}`)
  return json.toWellFormed()
}

function base64OfHex(id: string, path: Path): string {
  if (!/^(?:[0-9a-f]{2})*$/i.test(id)) throw wrong(path, `is an id and must be hex, not ${shown(id)}`)
  return Buffer.from(id, 'hex').toString('base64')
}

/** Text as strconv.ParseFloat takes it, without its hexadecimal forms. */
const DECIMAL = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i
const INFINITE = /^([+-]?)inf(?:inity)?$/i

function normalDouble(json: unknown, path: Path): number | string {
  if (typeof json === 'number') return json
  const text = json instanceof WrittenNumber ? json.text : json
  if (typeof text === 'string') {
    const infinite = INFINITE.exec(text)
    if (infinite) return infinite[1] === '-' ? '-Infinity' : 'Infinity'
    if (/^nan$/i.test(text)) return 'NaN'
    if (DECIMAL.test(text) && Number.isFinite(Number(text))) return Number(text)
  }
  throw wrong(path, `should be a number or its text, "NaN", "Infinity" or "-Infinity", not ${shown(json)}`)
}

interface IntegerRange {
  readonly least: bigint
  readonly most: bigint
}

const UNSIGNED_32: IntegerRange = { least: 0n, most: 2n ** 32n - 1n }
const UNSIGNED_64: IntegerRange = { least: 0n, most: 2n ** 64n - 1n }
const SIGNED_64: IntegerRange = { least: -(2n ** 63n), most: 2n ** 63n - 1n }
const INTEGERS: Partial<Record<ScalarType, IntegerRange>> = {
  [ScalarType.INT64]: SIGNED_64,
  [ScalarType.SFIXED64]: SIGNED_64,
  [ScalarType.FIXED64]: UNSIGNED_64,
  [ScalarType.UINT64]: UNSIGNED_64,
  [ScalarType.INT32]: { least: -(2n ** 31n), most: 2n ** 31n - 1n },
  [ScalarType.UINT32]: UNSIGNED_32,
  [ScalarType.FIXED32]: UNSIGNED_32,
}

/** As digits: protobuf's JSON takes them for every integer. */
function normalInteger(json: unknown, { least, most }: IntegerRange, path: Path): string {
  const text = json instanceof WrittenNumber ? json.text : typeof json === 'number' ? String(json) : json
  const sign = least < 0n ? /^[+-]?\d{1,20}$/ : /^\d{1,20}$/
  const value = typeof text === 'string' && sign.test(text) ? BigInt(text) : undefined
  if (value === undefined || value < least || value > most)
    throw wrong(path, `should be a whole number from ${least} to ${most} or its decimal text, not ${shown(json)}`)
  return String(value)
}

function normalEnum(json: unknown, field: DescField & { fieldKind: 'enum' }, path: Path): number {
  const named = field.enum.values.find(({ name }) => name === json)
  if (named !== undefined) return named.number
  if (typeof json === 'number' && Number.isInteger(json) && Math.abs(json) < 2 ** 31) return json
  throw wrong(path, `should be a number or a name of ${field.enum.name}, not ${shown(json)}`)
}

const isObject = (json: unknown): json is Record<string, unknown> =>
  typeof json === 'object' && json !== null && !Array.isArray(json) && !(json instanceof WrittenNumber)

/** The value for a message, cut to what a line can bear. */
function shown(json: unknown): string {
  if (json instanceof WrittenNumber) return json.text.slice(0, 64)
  if (Array.isArray(json)) return 'a list'
  return isObject(json) ? 'an object' : JSON.stringify(json).slice(0, 64)
}
