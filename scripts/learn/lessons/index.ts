/** The course in its order: lessons by number, then exercises by name. */
import type { Lesson } from '../question.ts'
import { structuredLogging } from './01-structured-logging.ts'

export const course: readonly Lesson[] = [structuredLogging]
