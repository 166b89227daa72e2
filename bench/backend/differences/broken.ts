/** Queries with a slip: a word or sign is missing, is there twice, or stands before the one in front of it. */
import type { Choices } from './choices.ts'

const WORDS = /\s+|"(?:[^"\\]|\\.)*"|`[^`]*`|[\w.:]+|[|=!<>~&]+|./gs

export function broken(choices: Choices, query: string): string {
  const parts = query.match(WORDS) ?? []
  const words = [...parts.keys()].filter((at) => parts[at]!.trim() !== '')
  const at = words[choices.below(words.length)]!
  const word = parts[at]!
  return choices
    .way(
      [3, () => parts.toSpliced(at, 1)],
      [2, () => parts.toSpliced(at, 0, word, ' ')],
      [1, () => (at === 0 ? parts.slice(1) : parts.toSpliced(at - 1, 2, word, parts[at - 1]!))],
    )
    .join('')
}
