/** Base64 as templates decode it: strictly, and what is wrong stands in the place of the text. */

const DIGIT = /[A-Za-z0-9+/]/
const isBreak = (char: string | undefined): boolean => char === '\n' || char === '\r'

export function decodeBase64(text: string): string {
  const wrong = corruptAt(text)
  if (wrong !== undefined) return `illegal base64 data at input byte ${Buffer.byteLength(text.slice(0, wrong))}`
  return Buffer.from(text, 'base64').toString()
}

/** Where Go's decoder stops (https://pkg.go.dev/encoding/base64#CorruptInputError): at a sign, or where the last four begin that are not four. */
function corruptAt(text: string): number | undefined {
  let digits = 0
  for (let at = 0; at < text.length; at++) {
    if (isBreak(text[at])) continue
    if (DIGIT.test(text[at]!)) digits++
    else return text[at] === '=' && digits % 4 >= 2 ? corruptPadding(text, at, digits % 4) : at
  }
  return digits % 4 === 0 ? undefined : text.length - (digits % 4)
}

function corruptPadding(text: string, first: number, digits: number): number | undefined {
  const behind = (at: number): number => {
    let next = at + 1
    while (isBreak(text[next])) next++
    return next
  }
  let at = first
  if (digits === 2) {
    at = behind(first)
    if (at >= text.length) return text.length
    if (text[at] !== '=') return at - 1
  }
  const rest = behind(at)
  return rest < text.length ? rest : undefined
}
