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
      return fullMatcher(value)
    case '!~': {
      const test = fullMatcher(value)
      return (text) => !test(text)
    }
  }
}
