/**
 * Personal data (e-mail addresses, names of people) and secrets are masked in logs and spans unless SIGHTLINE_PII=show. In URLs
 * by the same rule as at the gateway (gateway/masking.conf.template); a test holds the one against the other.
 */

/** An @ as clients spell it: as it is, percent-encoded once or twice, in JSON, in HTML. */
const AT = String.raw`(?:@|%(?:25)*40|\\u0040|&#(?:64|x40);)`
const WORD = String.raw`[\p{L}\p{N}\p{M}._%+'-]`
const LABEL = String.raw`[\p{L}\p{N}\p{M}-]{1,63}`
const DOT = String.raw`(?:\.|%(?:25)*2E)`
/**
 * Numbers alone are no host (`standard-action@1319413.103755` is a key of a cache), as no domain's last part is one (RFC 3696, 2). Four of
 * them may be an IPv4 address; and what is written otherwise behind them (another kind of dot, an escaped one) may go on with a name.
 */
const NUMBERS = String.raw`\d+(?:${DOT}\d+){1,2}(?!${DOT}?[\p{L}\p{N}\p{M}-]|${DOT}?[^\x00-\x7F]|\\u|&#|${AT})`
const EMAIL = new RegExp(`(${WORD})${WORD}{0,63}?(${AT}(?!${NUMBERS})${LABEL}(?:${DOT}${LABEL}){1,8})`, 'giu')
const HAS_AT = new RegExp(AT, 'i')
/** How any of these begins: most texts have none, and are done with. */
const MAY_HAVE_AT = /[@%\\&]/
const EMAIL_KEYS = /(^|[._])e?mail$/i
const NAME_KEYS = /^(user|customer|person|enduser)[._](full_)?name$/i
const SECRET_KEYS =
  /pass(word|wd|phrase)?$|secret|token$|signature$|^authorization$|^cookie$|(api|private|access)[_-]?key$/i

/** Attributes of the semantic conventions, old and new, that hold a URL or a part of one. */
const PATH_KEYS = /^url\.path$/
const QUERY_KEYS = /^url\.query$/
const URL_KEYS = /^(url\.full|http\.(url|target))$/
/** Parts of the names of parameters whose values are nobody's business. */
const HIDDEN_WORDS = 'mail|name|phone|address|birth|pass|pwd|token|secret|key|sig|auth|cred|session|cookie|jwt'
const HIDDEN_NAME = new RegExp(HIDDEN_WORDS, 'i')
/** What makes any part of a URL suspicious: an @, or a % that is encoded itself and so could hide one. */
const HIDDEN_PART = /@|%40|%25|%EF%BC%A0/i
/** The value of a parameter can be a URL with a query of its own. */
const HIDDEN_VALUE = new RegExp(`(?:${HIDDEN_WORDS})[^=&]*(?:=|%3D)|${HIDDEN_PART.source}`, 'i')

/** True with SIGHTLINE_PII=show, and with nothing else. */
export function showsPersonalData(env: NodeJS.ProcessEnv): boolean {
  return env.SIGHTLINE_PII === 'show'
}

/** `john@example.com` becomes `j***@example.com`: enough to see whose mail server, not whose mail. A URL's query as `maskQuery`. */
export function maskText(text: string): string {
  const safe = text.includes('?') ? text.replace(QUERY_IN_TEXT, (_, query: string) => `?${maskQuery(query)}`) : text
  return MAY_HAVE_AT.test(safe) && HAS_AT.test(safe) ? safe.replace(EMAIL, '$1***$2') : safe
}

const QUERY_IN_TEXT = /(?<=[/\w])\?([^\s"'<>?=]+=[^\s"'<>]*)/g

/** A path as sent: segments with an @ become `***`. */
export function maskPath(path: string): string {
  // Nothing that is hidden, and no name of a parameter, goes without one of these.
  if (!/[@%=]/.test(path)) return path
  return path
    .split('/')
    .map((part) =>
      HIDDEN_PART.test(part) || HIDDEN_NAME.test(part.slice(0, Math.max(part.indexOf('='), 0))) ? '***' : part,
    )
    .join('/')
}

/** A query as sent, without its `?`: `email=a%40b.c&limit=2` becomes `email=***&limit=2`. */
export function maskQuery(query: string): string {
  return query.split('&').map(maskParameter).join('&')
}

function maskParameter(pair: string): string {
  const end = pair.indexOf('=')
  const name = end === -1 ? pair : pair.slice(0, end)
  // A name that is encoded could be any.
  if (/[@%]/.test(name) && (end !== -1 || HIDDEN_PART.test(name))) return '***'
  if (end === -1 || end === pair.length - 1) return pair
  return HIDDEN_NAME.test(name) || HIDDEN_VALUE.test(pair.slice(end + 1)) ? `${name}=***` : pair
}

/** A URL, or its path with a query: both parts masked, the password before a host too. */
export function maskUrl(url: string): string {
  const mark = url.indexOf('?')
  return mark === -1 ? maskPath(url) : `${maskPath(url.slice(0, mark))}?${maskQuery(url.slice(mark + 1))}`
}

/** `John Doe` becomes `J*** D***`. */
export function maskName(name: string): string {
  return name
    .split(/\s+/)
    .map((part) => (part ? `${[...part][0]}***` : part))
    .join(' ')
}

/** Masks by key and, in every text, e-mail addresses; changes the object it is given. */
export function maskAttributes(attributes: Record<string, unknown>): void {
  for (const key in attributes) {
    const value = attributes[key]
    if (typeof value === 'string') {
      const safe = maskValue(key, value)
      if (safe !== value) attributes[key] = safe
    } else if (Array.isArray(value))
      attributes[key] = value.map((one) => (typeof one === 'string' ? maskValue(key, one) : one))
  }
}

/** A masked copy of any value that can be logged, nested ones included. */
export function masked(key: string, value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return maskValue(key, value)
  if (value === null || typeof value !== 'object' || depth > 6) return value
  if (Array.isArray(value)) return value.map((one) => masked(key, one, depth + 1))
  if (Object.getPrototypeOf(value) !== Object.prototype && Object.getPrototypeOf(value) !== null) return value
  return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, masked(name, one, depth + 1)]))
}

function maskValue(key: string, value: string): string {
  return maskOf(key)(value)
}

type Mask = (value: string) => string
/** The same keys come by for every span and line: each is looked at once. */
const masks = new Map<string, Mask>()
/** Keys may come from outside and must not fill the memory. */
const MOST_MASKS = 1_000

function maskOf(key: string): Mask {
  const known = masks.get(key)
  if (known !== undefined) return known
  if (masks.size >= MOST_MASKS) masks.clear()
  const mask = chooseMask(key)
  masks.set(key, mask)
  return mask
}

function chooseMask(key: string): Mask {
  if (SECRET_KEYS.test(key)) return () => '***'
  if (NAME_KEYS.test(key)) return maskName
  if (EMAIL_KEYS.test(key)) return (value) => (HAS_AT.test(value) ? maskText(value) : '***')
  if (PATH_KEYS.test(key)) return remembering(maskPath)
  if (QUERY_KEYS.test(key)) return remembering(maskQuery)
  if (URL_KEYS.test(key)) return remembering(maskUrl)
  return remembering(maskText)
}

/** Methods, routes, statements: what a key says is mostly what it said the last time, and is looked at once. */
function remembering(mask: Mask): Mask {
  let given = ''
  let safe = ''
  return (value) => {
    if (value !== given) {
      safe = mask(value)
      given = value
    }
    return safe
  }
}
