/** A further process of a service beside the first, as somebody would start it who wants more of them. */
import { type RunningComponent, startComponent } from './component.ts'
import { roleVariables } from './database.ts'
import { type Passwords, readOrMakePasswords } from './passwords.ts'
import { whoRunsParts } from './run-as.ts'
import { asUser, type ServiceName, serviceSpec } from './services.ts'
import type { PortName, Settings } from './settings.ts'

/** Under this name it has its pid file and its output. */
export const secondName = (service: string): string => `${service}-2`

/**
 * The same program with the same environment, at another port, in another role where one is given. Its log lines go to its
 * output and to the backend: the files in the log folder have one writer. Rejects as every start does.
 */
export function startSecond(
  service: ServiceName,
  at: { portName: PortName; port: number; role?: keyof Passwords | undefined },
  settings: Settings,
): Promise<RunningComponent> {
  const { home } = settings
  const passwords = readOrMakePasswords(home)
  const spec = serviceSpec(service, { ...settings, ports: { ...settings.ports, [at.portName]: at.port } }, passwords)
  const role = at.role ? roleVariables(settings, at.role, passwords[at.role]) : {}
  const second = { ...spec, name: secondName(service), env: { ...spec.env, ...role, LOG_DIR: undefined }, writes: [] }
  return startComponent(asUser(second, whoRunsParts(settings, []).user), home)
}
