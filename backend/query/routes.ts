/** Worker thread. The way from a request's path to the function that answers it, for both query APIs. */
import {
  type ApiHandler,
  type ApiRequest,
  type ApiResponse,
  decodePart,
  errorAnswer,
  httpError,
  text,
} from '../http.ts'
import { QueryError } from './language/errors.ts'
import { GiveWay } from './language/turn.ts'

/** `part`: what stands for the path's `{name}`, its percent-escapes resolved; '' where there is none. */
export type RouteHandler<Context> = (context: Context, request: ApiRequest, part: string) => ApiResponse

/** By path; one part of it may be a `{name}`, which any text without a slash stands for. */
export type Routes<Context> = Readonly<Record<string, RouteHandler<Context>>>

export interface RouterOptions {
  /** Others are refused with 405; all are taken when absent. */
  readonly methods?: readonly string[]
  /** Paths, each with all below it, that are refused by name: with what is not here, and what there is instead. */
  readonly refused?: Readonly<Record<string, string>>
}

/**
 * A handler for all of the routes; other paths get a 404, in the words of `refused` when they stand there. What is wrong with a
 * request or its query is answered as `errorAnswer` words it, a query with 400; all other errors are thrown on.
 */
export function createRouter<Context>(
  routes: Routes<Context>,
  context: Context,
  { methods, refused = {} }: RouterOptions = {},
): ApiHandler {
  const find = finder(routes)
  return (request) => {
    const why = reasonFor(request.path, refused)
    if (why !== undefined) return text(404, `404 page not found: ${why}.\n`)
    const found = find(request.path)
    if (found === undefined) return text(404, '404 page not found\n')
    if (methods !== undefined && !methods.includes(request.method)) {
      return text(405, `${request.path} takes ${methods[0]}`, { allow: methods[0]! })
    }
    try {
      return found.handler(context, request, decodePart(found.part))
    } catch (error) {
      if (error instanceof GiveWay) throw error
      // What a query turns out to be unable to do only while it runs is the client's to know, too.
      return errorAnswer(error instanceof QueryError ? httpError(400, error.message) : error, (other) => {
        throw other
      })
    }
  }
}

function reasonFor(path: string, refused: Readonly<Record<string, string>>): string | undefined {
  if (Object.hasOwn(refused, path)) return refused[path]
  return Object.entries(refused).find(([above]) => path.startsWith(`${above}/`))?.[1]
}

function finder<Handler>(
  routes: Readonly<Record<string, Handler>>,
): (path: string) => { readonly handler: Handler; readonly part: string } | undefined {
  const patterns = Object.entries(routes)
    .filter(([path]) => path.includes('{'))
    .map(([path, handler]) => ({ pattern: new RegExp(`^${path.replace(/\{\w+\}/, '([^/]+)')}$`), handler }))
  return (path) => {
    if (Object.hasOwn(routes, path) && !path.includes('{')) return { handler: routes[path]!, part: '' }
    for (const { pattern, handler } of patterns) {
      const match = pattern.exec(path)
      if (match !== null) return { handler, part: match[1]! }
    }
    return undefined
  }
}
