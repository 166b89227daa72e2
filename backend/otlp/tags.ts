/**
 * Tags of protobuf fields: field number << 3 | wire type. Field numbers are those of opentelemetry-proto 1.x
 * (opentelemetry/proto/{common,resource,trace,logs}/v1), as otlp-messages/otlp.proto has them, too.
 *
 * Tables of what is read for every span stand in the file that reads it: V8 folds constants of the same module, but
 * loads imported ones each time they are compared, which made reading 5 % slower.
 */

/**
 * Protobuf's wire types. `sized` (strings, bytes, messages) is a length, then so many bytes; 3 and 4 are proto2's
 * groups.
 */
export const WIRE_TYPE = { varint: 0, fixed64: 1, sized: 2, fixed32: 5 } as const

/** The tag of a bool, an enum, an int or a uint. */
export const varint = (field: number) => (field << 3) | WIRE_TYPE.varint
/** The tag of a double or a fixed64 (a time). */
export const fixed64 = (field: number) => (field << 3) | WIRE_TYPE.fixed64
/** The tag of a string, bytes or a message. */
export const sized = (field: number) => (field << 3) | WIRE_TYPE.sized
/** The tag of a fixed32 (flags). */
export const fixed32 = (field: number) => (field << 3) | WIRE_TYPE.fixed32

/** ExportTraceServiceRequest and ExportLogsServiceRequest: what came, by resource. */
export const REQUEST = { resources: sized(1) } as const

/** ResourceSpans, ResourceLogs, ScopeSpans and ScopeLogs: the owner (a resource or a scope), then what it has. */
export const GROUP = { owner: sized(1), members: sized(2), schemaUrl: sized(3) } as const
