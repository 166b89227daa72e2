/** What a request line asks for (`@sightline/service-kit/request-target`). */

/**
 * The target without scheme and authority, where it is a whole URL (RFC 9112, 3.2.2): `http://host/path?a=b` and `/path?a=b`
 * both give `/path?a=b`. Never throws; what is no URL comes back as it is.
 */
export const localTarget = (target: string): string => target.replace(/^https?:\/\/[^/?#]*/i, '')
