export function processIdentity(pid: number): string | null
export function writePidFile(path: string, pid: number): void
export function livingProcess(path: string): number | null
export interface Lock {
  /** The process that has it, or null when it is ours. */
  holder: number | null
  release(): void
}
export function takeLock(path: string): Lock
