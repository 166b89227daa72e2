/** Text as a word of Nginx's configuration. */

/** Nginx reads no longer word, bytes. */
const LONGEST_WORD = 4_000

/** In quotes. Throws for a word that is too long, and for a variable that is not among `variables`. */
export function quoted(text: string, variables: readonly string[] = []): string {
  const others = variables.reduce((rest, name) => rest.replaceAll(name, ''), text)
  if (others.includes('$')) throw new Error(`Nginx would read a variable in: ${text}`)
  const word = `'${text.replace(/[\\']/g, '\\$&')}'`
  if (Buffer.byteLength(word) > LONGEST_WORD) throw new Error(`Shorten what is said of it: ${text}`)
  return word
}
