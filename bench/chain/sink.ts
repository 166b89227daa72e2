/** Takes OTLP over HTTP as fast as it comes and keeps nothing: what is measured is the cost of sending. Prints its port. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

const server = createServer((request, response) => {
  request.resume().once('end', () => response.setHeader('content-type', 'application/x-protobuf').end())
})
server.listen(0, '127.0.0.1', () => console.log((server.address() as AddressInfo).port))
