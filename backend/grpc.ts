/** Main thread. What both gRPC servers have in common: the messages of their calls stay bytes. */
import type { ServiceDefinition } from '@grpc/grpc-js'

const same = (bytes: Buffer): Buffer => bytes

/** A call of `service`, answered by one message or by a stream of them. */
export const bytesCall = (service: string, name: string, responseStream: boolean): ServiceDefinition[string] => ({
  path: `/${service}/${name}`,
  requestStream: false,
  responseStream,
  requestSerialize: same,
  requestDeserialize: same,
  responseSerialize: same,
  responseDeserialize: same,
})
