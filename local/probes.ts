import { get } from 'node:http'

/** True when a GET is answered with 2xx within a second; false for any other status; throws when nothing listens. */
export function httpOk(url: string): Promise<boolean> {
  return new Promise((answer, failed) => {
    const request = get(url, { agent: false, timeout: 1000 }, (response) => {
      response.resume()
      response.once('end', () => answer(response.statusCode! >= 200 && response.statusCode! < 300))
      response.once('error', failed)
    })
    request.once('timeout', () => request.destroy(new Error(`${url} did not answer within a second`)))
    request.once('error', failed)
  })
}
