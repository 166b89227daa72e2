/**
 * Why a TraceQL search may find nothing although the value is there: a number is never equal to a text, and nobody sees from a query
 * which of them an attribute is.
 */
import type { Client } from './http.ts'
import { tempoTagValues } from './tempo.ts'
import type { TimeRange } from './time-range.ts'

type Kind = 'text' | 'a number' | 'true or false'

/** An attribute that a query compares with a literal: `span.user.id` and `2007`. */
interface Compared {
  readonly attribute: string
  readonly literal: string
}

const STRING = /"(?:[^"\\]|\\.)*"|`[^`]*`/
const ATTRIBUTE = /(?:resource|span|event|link|instrumentation)?\.[A-Za-z_][\w.-]*/
/** A number with a unit is a duration, which is neither. */
const LITERAL = new RegExp(`${STRING.source}|-?\\d+(?:\\.\\d+)?(?![\\w.])|(?:true|false)(?!\\w)`)
/** A string or a comment by itself is passed over: what looks like a comparison in it is none. */
const COMPARISON = new RegExp(
  `${STRING.source}|/\\*.*?\\*/|//[^\\n]*|(?<![\\w."])(${ATTRIBUTE.source})\\s*(?:!=|=~|!~|[<>]=?|=)\\s*(${LITERAL.source})`,
  'gs',
)

/** Each once, in the order of the query. A literal before its attribute is left out. */
export function comparisonsIn(query: string): readonly Compared[] {
  const found = [...query.matchAll(COMPARISON)].flatMap(([, attribute, literal]) =>
    attribute && literal ? [{ attribute, literal }] : [],
  )
  return [...new Map(found.map((one) => [JSON.stringify(one), one])).values()]
}

/** More of them are not asked about. */
const MOST = 4

/**
 * One sentence for each attribute of the query that stored spans of this time have only as another type, or not at all; undefined when
 * there is none. Rejects as the question for an attribute's values does.
 */
export async function typeHint(client: Client, query: string, range: TimeRange): Promise<string | undefined> {
  const sentences = await Promise.all(
    comparisonsIn(query)
      .slice(0, MOST)
      .map(async (compared) => {
        const values = await tempoTagValues(client, compared.attribute, range)
        return sentence(compared, new Set(values.map(({ type }) => kindOf(type))))
      }),
  )
  const told = [...new Set(sentences)].filter((one) => one !== undefined)
  return told.length === 0 ? undefined : told.join(' ')
}

const kindOf = (type: string): Kind =>
  type === 'int' || type === 'float' || type === 'double' ? 'a number' : type === 'bool' ? 'true or false' : 'text'

function sentence({ attribute, literal }: Compared, stored: ReadonlySet<Kind>): string | undefined {
  if (stored.size === 0) return `No span in this time range has ${attribute}.`
  const quoted = /^["`]/.test(literal)
  const given: Kind = quoted ? 'text' : /^[tf]/.test(literal) ? 'true or false' : 'a number'
  if (stored.has(given)) return undefined
  const is = `${attribute} is ${[...stored].join(' or ')} here`
  if (stored.has('text')) return `${is}: write "${literal}".`
  const bare = literal.slice(1, -1)
  const fits = quoted && (stored.has('a number') ? /^-?\d+(\.\d+)?$/ : /^(true|false)$/).test(bare)
  return fits ? `${is}: write ${bare} without quotes.` : `${is}, and ${literal} is not.`
}
