/**
 * What others use of local mode. Commands that only need settings, flags or colours import those by their own names
 * (`@sightline/local/settings`), which load in no time.
 */

export { openToOthers } from './access.ts'
export { type RunningComponent, startComponent } from './component.ts'
export { componentNames, serviceNames } from './components.ts'
export { ownerConnection, roleVariables } from './database.ts'
export { extraServices, readExtraServices } from './extra-services.ts'
export { prepareGateway } from './gateway.ts'
export { type LocalOptions, type LocalSystem, urlsOf } from './local-system.ts'
export { onPath } from './on-path.ts'
export { type OpenedSystem, startOpened } from './opened-system.ts'
export { readPasswords } from './passwords.ts'
export { holderOf, listensOn } from './port-holder.ts'
export { assertPortsFree, freePort, freePorts, isFree } from './ports.ts'
export { findAlertmanager, findNginx, findPrometheus } from './programs.ts'
export type { ExemplarSeries } from './remote-write.ts'
export { secondName, startSecond } from './second-process.ts'
export { inspectStateFolder, pidOf } from './state-folder.ts'
export { startLocal } from './system.ts'
