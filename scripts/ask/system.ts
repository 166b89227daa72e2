/** The system that is asked: where its public APIs are, and how an answer of them is read without taking more than can be held. */

import { type Apis, apisOf } from '@sightline/local/apis'
import { readSettings, type Settings } from '@sightline/local/settings'
import { stackSettings } from '../doctor/patient.ts'
import { away, reasonIn, Unanswered } from '../incident/place.ts'

export interface System extends Apis {
  /** The state folder: what `npm run incident` has noted there. */
  readonly home: string
}

/** Local mode's ports, or those that docker-compose.yaml publishes; GATEWAY_URL, TEMPO_URL, LOKI_URL, PROMETHEUS_URL go before both. */
export function systemOf(stack: boolean, settings: Settings = stack ? stackSettings() : readSettings()): System {
  return { ...apisOf(settings), home: settings.home }
}

const PATIENCE_MS = 30_000
const MEGABYTE = 1024 * 1024
/** A trace of 50,000 spans has 60 MB as JSON. */
export const MOST_OF_A_TRACE = 200 * MEGABYTE
/** Characters: an engine may quote all of a query. */
const LONGEST_REASON = 600
const MOST_OF_AN_ANSWER = 16 * MEGABYTE

/** The answer is longer than what is read of one. */
export class TooMuch extends Unanswered {}

export interface Question {
  /** Path and query of the API. */
  path: string
  query?: Record<string, string>
  headers?: Record<string, string>
  /** Bytes after which reading stops. */
  most?: number
  /** What to do when there are more. */
  narrower?: string
}

/** A GET of JSON; `who` is asked, in words. Rejects with an Unanswered that has the engine's reason and what to do. */
export async function getJson<T>(who: string, base: string, question: Question): Promise<T> {
  const { status, text } = await get(who, base, question)
  if (status === 200) return parsed(who, base, text)
  const reason = reasonIn(text).slice(0, LONGEST_REASON) || `status ${status}`
  if (status < 500) throw new Unanswered(`${who} refuses: ${reason}`, status)
  throw new Unanswered(`${who} answered ${status}: ${reason}. What is wrong with it: npm run doctor`, status)
}

function parsed<T>(who: string, base: string, text: string): T {
  try {
    return JSON.parse(text) as T
  } catch (error) {
    const began = text.trim().slice(0, 60)
    throw new Unanswered(
      `What answers at ${base} is not ${who}: "${began}" is no JSON. Is the address right?`,
      undefined,
      error,
    )
  }
}

/** A GET, whatever the status. Rejects with an Unanswered when nobody answers, or with more than may be read. */
export async function get(who: string, base: string, question: Question): Promise<{ status: number; text: string }> {
  const { path, query, headers, most = MOST_OF_AN_ANSWER, narrower = 'Ask for less.' } = question
  const url = `${base}${path}${query ? `?${new URLSearchParams(query)}` : ''}`
  const stop = new AbortController()
  const signal = AbortSignal.any([stop.signal, AbortSignal.timeout(PATIENCE_MS)])
  try {
    const response = await fetch(url, { headers: { accept: 'application/json', ...headers }, signal })
    const chunks: Uint8Array[] = []
    let size = 0
    for await (const chunk of response.body ?? []) {
      size += chunk.length
      if (size > most) {
        stop.abort()
        throw new TooMuch(`${who} answers with more than ${most / MEGABYTE} MB, which is not read. ${narrower}`)
      }
      chunks.push(chunk)
    }
    return { status: response.status, text: Buffer.concat(chunks).toString('utf8') }
  } catch (error) {
    throw error instanceof Unanswered ? error : away(who, base, error)
  }
}
