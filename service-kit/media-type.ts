/** Content types as they are really written: any case, any parameters, blanks, quoted values (RFC 9110, 8.3.1). */

export interface MediaType {
  /** Lower case, without parameters: `application/json`. */
  type: string
  /** Lower case, unquoted; undefined where the header names none. */
  charset: string | undefined
}

const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]+"
const TYPE = new RegExp(`^\\s*(${TOKEN}/${TOKEN})\\s*`)
const PARAMETER = new RegExp(`^;\\s*(?:(${TOKEN})=(?:(${TOKEN})|"((?:[^"\\\\]|\\\\.)*)")\\s*)?`)

/** undefined for what is no media type. Of several charsets the first counts. */
export function parseMediaType(header: string): MediaType | undefined {
  const type = TYPE.exec(header)
  if (!type) return undefined
  let rest = header.slice(type[0].length)
  let charset: string | undefined
  while (rest !== '') {
    const parameter = PARAMETER.exec(rest)
    if (!parameter) return undefined
    const [all, name, token, quoted] = parameter
    if (name?.toLowerCase() === 'charset') charset ??= (token ?? quoted!.replace(/\\(.)/g, '$1')).toLowerCase()
    rest = rest.slice(all.length)
  }
  return { type: type[1]!.toLowerCase(), charset }
}

/** JSON is UTF-8 (RFC 8259, 8.1); `utf8` is a common way to write it, and ASCII a part of it. */
export function isUtf8({ charset }: MediaType): boolean {
  return charset === undefined || ['utf-8', 'utf8', 'us-ascii', 'ascii'].includes(charset)
}
