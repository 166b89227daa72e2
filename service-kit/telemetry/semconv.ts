/** Names that the stable conventions do not have yet but that backends read. */

/** Tempo's service graph and others name the node of an uninstrumented peer by it. */
export const ATTR_SERVICE_PEER_NAME = 'peer.service'

/** Rows that came back. */
export const ATTR_RETURNED_ROWS = 'db.response.returned_rows'

/** Rows that were changed, and what PostgreSQL took for it by its own clock: our own. */
export const ATTR_AFFECTED_ROWS = 'postgresql.affected_rows'
export const ATTR_SERVER_MS = 'postgresql.duration_ms'
