/**
 * Which names every port of the system answers under, and whose pages may ask it: one list, SIGHTLINE_ALLOWED_HOSTS.
 *
 * A page of another site reaches what listens on 127.0.0.1 in two ways. It makes a name of its own resolve to 127.0.0.1,
 * and is then of one origin with what answers there (DNS rebinding): `Host` has the page's name. Or it opens a WebSocket or
 * sends a request across origins, which browsers allow: `Origin` has the page's. What has no `Origin` and a fitting `Host` is
 * no page of another site, or one that can't read the answer.
 *
 * An IP address as `Host` is always fine: only a name can be made to resolve elsewhere, and probes, scrapes and port
 * forwarding come by address. As an `Origin` it is not: anybody can serve a page from an address.
 */
import type { IncomingMessage } from 'node:http'
import { isIP } from 'node:net'

/** Names in lower case, addresses without brackets; localhost and its addresses among them. */
export type AllowedHosts = ReadonlySet<string>

/** Why a request is not answered, for the client to read. */
export interface HostRefusal {
  /** 421: the name is none of this system's (RFC 9110, 15.5.20); 403: the page that asks is another site's. */
  readonly status: 421 | 403
  readonly detail: string
}

const LOOPBACK = ['localhost', '127.0.0.1', '::1']
const NAME = /^[a-z0-9_]([a-z0-9._-]*[a-z0-9_])?$/

/**
 * The list of SIGHTLINE_ALLOWED_HOSTS, `shop.example, user-service`, and what stands for this machine. Throws an Error that
 * says what to write when an entry is no host: a port, a scheme or a pattern would never fit.
 */
export function allowedHosts(list = ''): AllowedHosts {
  const entries = list.split(',').map((entry) => entry.trim().toLowerCase())
  const hosts = entries.filter((entry) => entry !== '').map((entry) => entry.replace(/^\[(.*)\]$/, '$1'))
  for (const host of hosts) {
    if (NAME.test(host) || isIP(host) !== 0) continue
    throw new Error(`${host} is no host; write names or addresses, without scheme and port`)
  }
  return new Set([...LOOPBACK, ...hosts])
}

/** `read` as the last step of a schema: what is wrong with the list is an issue of it. */
export function listStep(read: (list?: string) => ReadonlySet<string>) {
  return (list: string | undefined, schema: { addIssue(message: string): void }): ReadonlySet<string> => {
    try {
      return read(list)
    } catch (error) {
      schema.addIssue((error as Error).message)
      return new Set()
    }
  }
}

/** Undefined when the request may be answered. Ports don't matter, neither of the name nor of the page. */
export function refusalOf(
  request: Pick<IncomingMessage, 'url' | 'headers'>,
  hosts: AllowedHosts,
): HostRefusal | undefined {
  const name = hostOf(request)
  // Without one it is HTTP/1.0, which no browser speaks.
  if (name !== undefined && isIP(name) === 0 && !hosts.has(name)) {
    return { status: 421, detail: 'Ask by IP address, as localhost, or by a name that SIGHTLINE_ALLOWED_HOSTS lists.' }
  }
  const { origin } = request.headers
  if (origin === undefined) return undefined
  const page = /^https?:\/\/([^/@]*)$/i.exec(origin)
  const from = page ? withoutPort(page[1]!) : undefined
  // The page that came from here may ask here, by whichever address this is.
  if (from !== undefined && (hosts.has(from) || from === name)) return undefined
  return { status: 403, detail: 'This is a page of another origin, which SIGHTLINE_ALLOWED_HOSTS does not list.' }
}

/** Whom the request means: the target's own authority before the header (RFC 9112, 3.2.2). */
function hostOf({ url, headers }: Pick<IncomingMessage, 'url' | 'headers'>): string | undefined {
  const absolute = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i.exec(url ?? '')
  const host = absolute ? absolute[1]! : headers.host
  return host === undefined ? undefined : withoutPort(host)
}

/** `Shop.Example.:8080` -> `shop.example`, `[::1]:80` -> `::1`; what is malformed stays something that no list has. */
function withoutPort(authority: string): string {
  const [, address, name] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(authority) ?? []
  return (address ?? name?.replace(/\.$/, '') ?? authority).toLowerCase()
}
