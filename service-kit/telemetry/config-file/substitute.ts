/**
 * `${NAME}`, `${env:NAME}` and `${NAME:-default}` in the values of a YAML document, and `$$` for a dollar
 * (https://opentelemetry.io/docs/specs/otel/configuration/data-model/#environment-variable-substitution).
 */
import { type Document, isScalar, Scalar, visit } from 'yaml'

const REFERENCE = /\$\$|\$\{(?:env:)?([^}]*)\}/g
const NAMED = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/

/**
 * Puts the variables of `env` where `document` refers to them; what comes in is a value and never a structure, a comment or
 * another reference. Returns the names that it refers to. `onInvalid` hears of a reference that is none, and of its node.
 */
export function substitute(
  document: Document,
  env: NodeJS.ProcessEnv,
  onInvalid: (node: Scalar, reference: string) => void,
): Set<string> {
  const names = new Set<string>()
  visit(document, {
    Scalar(key, node) {
      if (key === 'key' || typeof node.value !== 'string' || !node.value.includes('$')) return
      const text = node.value.replace(REFERENCE, (whole, inside: string | undefined) => {
        if (inside === undefined) return '$'
        const [, name, fallback = ''] = NAMED.exec(inside) ?? []
        if (name === undefined) {
          onInvalid(node, whole)
          return whole
        }
        names.add(name)
        return env[name] || fallback
      })
      if (text === node.value) return
      node.value = node.type === Scalar.PLAIN ? typed(document, text) : text
    },
  })
  return names
}

/** What a plain scalar of this text is: null, a truth value or a number where it reads as one, else the text. */
function typed(document: Document, text: string): unknown {
  for (const tag of document.schema?.tags ?? []) {
    if (tag.default !== true || !('test' in tag) || !tag.test?.test(text)) continue
    const value = tag.resolve(text, () => {}, document.options as never)
    return isScalar(value) ? value.value : value
  }
  return text
}
