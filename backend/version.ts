/** The version stands once, in package.json at the root of the project. */
import project from '../package.json' with { type: 'json' }

/** Of this backend, and of the gateway whose spans it makes: `service.version`. */
export const VERSION: string = project.version
