/** Program and arguments that run npm for this project, with what must hold for every installation. */
export function npmCommand(command: string[]): { command: string; args: string[] }
