/** By what Deno itself has of OpenTelemetry, which takes its console's lines, too. */
import { brew } from './brew.mjs'

brew((text) => console.warn(text))
