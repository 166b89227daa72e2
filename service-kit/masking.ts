/** Personal data (e-mail addresses, names of people) is masked in logs and spans unless SIGHTLINE_PII=show. */

const EMAIL = /[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}/g
const EMAIL_KEYS = /(^|[._])e?mail$/i
const NAME_KEYS = /^(user|customer|person|enduser)[._](full_)?name$/i
const SECRET_KEYS = /pass(word|wd)?$|secret|token$|^authorization$|^cookie$|api[_-]?key$/i

/** True with SIGHTLINE_PII=show, and with nothing else. */
export function showsPersonalData(env: NodeJS.ProcessEnv): boolean {
  return env.SIGHTLINE_PII === 'show'
}

/** `john@example.com` becomes `j***@example.com`: enough to see whose mail server, not whose mail. */
export function maskText(text: string): string {
  return text.includes('@') ? text.replace(EMAIL, (email) => `${email[0]}***${email.slice(email.indexOf('@'))}`) : text
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
    if (typeof value === 'string') attributes[key] = maskValue(key, value)
    else if (Array.isArray(value))
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
  if (SECRET_KEYS.test(key)) return '***'
  if (NAME_KEYS.test(key)) return maskName(value)
  if (EMAIL_KEYS.test(key) && !value.includes('@')) return '***'
  return maskText(value)
}
