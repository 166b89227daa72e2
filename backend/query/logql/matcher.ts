/** `name="value"` of selectors and label filters, compiled. */
import { fullMatcher, type Matcher as TextMatcher } from '../language/regex.ts'
import type { Matcher } from './ast.ts'

/** A test of a label's value; an absent label is ''. Throws an Error when the pattern is none. */
export function compileMatcher({ op, value }: Matcher): TextMatcher {
  switch (op) {
    case '=':
      return (text) => text === value
    case '!=':
      return (text) => text !== value
    case '=~':
      return valueMatcher(value)
    case '!~': {
      const test = valueMatcher(value)
      return (text) => !test(text)
    }
  }
}

/** A pattern of labels' values: all of a value must match, and a dot matches line feeds, too. */
export const valueMatcher = (pattern: string): TextMatcher => fullMatcher(pattern, { dotAll: true })
