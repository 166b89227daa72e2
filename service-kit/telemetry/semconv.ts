/** Names that the stable conventions do not have yet but that backends read. */

/** Tempo's service graph and others name the node of an uninstrumented peer by it. */
export const ATTR_SERVICE_PEER_NAME = 'peer.service'
