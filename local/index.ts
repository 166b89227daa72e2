/**
 * What others use of local mode. Commands that only need settings, flags or colours import those by their own names
 * (`@sightline/local/settings`), which load in no time.
 */
export { type RunningComponent, startComponent } from './component.ts'
export { ownerConnection, roleVariables } from './database.ts'
export { extraServices, readExtraServices } from './extra-services.ts'
export { prepareGateway } from './gateway.ts'
export type { LocalOptions, LocalSystem } from './local-system.ts'
export { onPath } from './on-path.ts'
export { readPasswords } from './passwords.ts'
export { assertPortsFree, freePort, freePorts } from './ports.ts'
export { findAlertmanager, findNginx, findPrometheus } from './programs.ts'
export { secondName, startSecond } from './second-process.ts'
export { canSharePorts } from './services.ts'
export { inspectStateFolder } from './state-folder.ts'
export { startLocal } from './system.ts'
