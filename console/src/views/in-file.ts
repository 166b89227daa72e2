/** What views know of where they are: in a file that was sent on, there is nobody to ask and nowhere to go. */
import { createContext } from 'preact'
import type { LogLine } from '../data/frame.ts'

/** The log lines in the file; undefined in the console. */
export const LinesInFile = createContext<readonly LogLine[] | undefined>(undefined)
