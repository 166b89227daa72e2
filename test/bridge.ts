/**
 * How long telemetry may be under way, in hours: what arrives this late is kept and found by a search over the time it
 * belongs to, on the stack's engines. docs/stack.md reckons how much of it the Collector's queue holds.
 */
export const BRIDGE_HOURS = 6
