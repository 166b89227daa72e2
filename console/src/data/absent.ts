/** Which of the programs that its pages ask a console runs without: its server writes it into the page, which reads it (absent-here.ts). */

/** As `/api/<name>` names them. Traces and logs are always there. */
export type Absentee = 'prometheus' | 'audit' | 'postgres'

/** What each is called, and the variable of the backend that names one. */
const ABSENTEES: Readonly<Record<Absentee, { readonly name: string; readonly variable: string }>> = {
  prometheus: { name: 'Prometheus', variable: 'PROMETHEUS_URL' },
  audit: { name: 'audit-service', variable: 'AUDIT_SERVICE_URL' },
  postgres: { name: 'a database', variable: 'PGPASSWORD' },
}

export const ABSENT_META = 'sightline-absent'

/** What the server writes: names with a space between. */
export const absentText = (absent: readonly Absentee[]): string => absent.join(' ')

/** What a page reads; names that it doesn't know mean nothing to it. */
export const readAbsent = (text: string | null | undefined): readonly Absentee[] =>
  (text ?? '').split(' ').filter((name): name is Absentee => Object.hasOwn(ABSENTEES, name))

const listed = (words: readonly string[]): string =>
  words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`

/** `This console runs without Prometheus and a database: PROMETHEUS_URL and PGPASSWORD name none.` */
export function absentSentence(absent: readonly Absentee[]): string {
  const names = listed(absent.map((one) => ABSENTEES[one].name))
  const variables = listed(absent.map((one) => ABSENTEES[one].variable))
  return `This console runs without ${names}: ${variables} ${absent.length < 2 ? 'names' : 'name'} none.`
}
