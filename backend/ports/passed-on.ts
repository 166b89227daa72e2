/**
 * Main thread. What PROMETHEUS_PORT and ALERTMANAGER_PORT serve: everything of the program behind them, to whom `hosts` lets in.
 * Both programs answer any Host, so that whoever made a name of his own resolve to this machine could read all metrics, and
 * Alertmanager lets pages of every origin read and silence.
 */
import { Agent, type IncomingHttpHeaders, type RequestListener, request } from 'node:http'
import type { AllowedHosts } from '@sightline/service-kit/allowed-hosts'
import { localTarget } from '@sightline/service-kit/request-target'
import { assertAllowed, errorAnswer, httpError, send } from '../http.ts'

/** Of one connection, not of the message (RFC 9110, 7.6.1): not passed on. */
const HOP_BY_HOP = ['connection', 'keep-alive', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade']
/** Longer than Prometheus' own limit of a query, 2 min. */
const TIMEOUT_MS = 150_000

/** Answers 421 and 403 itself, and 502 when `upstream`, the base URL of the program called `name`, does not answer. */
export function passedOnPort(
  name: string,
  upstream: string,
  hosts: AllowedHosts,
  onError: (error: unknown) => void,
): RequestListener {
  const { hostname, port, host } = new URL(upstream)
  const agent = new Agent({ keepAlive: true })
  return (req, res) => {
    const refuse = (error: unknown): void => {
      if (res.headersSent) res.destroy()
      else send(req, res, errorAnswer(error, onError))
    }
    try {
      assertAllowed(req, hosts)
    } catch (error) {
      return refuse(error)
    }
    const headers = { ...endToEnd(req.headers), host }
    const path = localTarget(req.url ?? '/') || '/'
    const forwarded = request({ agent, hostname, port, path, headers, method: req.method, timeout: TIMEOUT_MS })
    forwarded.once('response', (answer) => {
      res.writeHead(answer.statusCode!, ownOriginOnly(endToEnd(answer.headers)))
      answer.pipe(res)
      answer.once('error', () => res.destroy())
    })
    forwarded.once('timeout', () => forwarded.destroy(new Error('timeout')))
    forwarded.once('error', () => refuse(httpError(502, `${name} does not answer at ${host}. Is it running?`)))
    res.once('close', () => forwarded.destroy())
    req.pipe(forwarded)
  }
}

/** Without what `Connection` names, too. */
function endToEnd(headers: IncomingHttpHeaders): IncomingHttpHeaders {
  const named = (headers.connection ?? '').split(',').map((name) => name.trim().toLowerCase())
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !HOP_BY_HOP.includes(name) && !named.includes(name)),
  )
}

/** Who may be read by pages of another origin says so by these headers; here nobody is. */
const ownOriginOnly = (headers: IncomingHttpHeaders): IncomingHttpHeaders =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('access-control-')))
