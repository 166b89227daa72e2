/** `name op "value"` as a test of the value; an absent label has the value ''. */
import type { Matcher } from './ast.ts'
import { fullRegex } from './regex.ts'

export function compileMatcher({ op, value }: Matcher): (text: string) => boolean {
  switch (op) {
    case '=':
      return (text) => text === value
    case '!=':
      return (text) => text !== value
    case '=~':
      return fullRegex(value).test
    case '!~': {
      const { test } = fullRegex(value)
      return (text) => !test(text)
    }
  }
}
