/** Log lines of every format, the same for the same seed, and the words that queries may ask them for. */
import { Choices } from './choices.ts'

export interface Line {
  readonly stream: Readonly<Record<string, string>>
  readonly timeNs: bigint
  readonly text: string
  readonly metadata: Readonly<Record<string, string>>
}

const STREAMS = [
  { service_name: 'shop', env: 'prod', level: 'info' },
  { service_name: 'shop', env: 'prod', level: 'error' },
  { service_name: 'stock', env: 'prod', level: 'warn', zone: 'a' },
  { service_name: 'pay', env: 'test' },
  { service_name: 'mail', env: 'test', zone: 'b', status: '7' },
] as const

/** So many lines within `seconds` from `startNs`; no two have the same time. */
export function logLines(seed: number, count: number, startNs: bigint, seconds: number): Line[] {
  const choices = new Choices(seed)
  const step = (BigInt(seconds) * 1_000_000_000n) / BigInt(count)
  return Array.from({ length: count }, (_, index) => ({
    stream: choices.of(STREAMS),
    timeNs: startNs + BigInt(index) * step + BigInt(choices.below(1000)),
    text: text(choices),
    metadata: {
      ...(choices.once(2) && { trace_id: choices.of(['aa11', 'bb22', 'cc33']) }),
      ...(choices.once(3) && { code: choices.of(['200', '404', '5.5', 'none', '']) }),
      ...(choices.once(4) && { took: choices.of(['12ms', '1.5s', '2m', 'x']) }),
      ...(choices.once(5) && { level: choices.of(['debug', 'fatal']) }),
    },
  }))
}

function text(choices: Choices): string {
  const status = choices.of([200, 404, 500, -1, 1.5])
  const took = choices.of(['12ms', '1.5s', '90us', '0s', 'soon'])
  const size = choices.of(['20KB', '1.5MiB', '512', '7B', 'big'])
  const who = choices.of(['ann', 'bob', 'ünï', '', 'a b'])
  return choices.way(
    [
      4,
      () =>
        JSON.stringify({
          msg: choices.of(['placed', 'two\nlines', '']),
          status,
          took,
          size,
          user: { name: who, id: 7 },
        }),
    ],
    [
      2,
      () =>
        JSON.stringify({
          status: String(status),
          list: [1, { deep: who }],
          flag: choices.of([true, false, null]),
          'odd key-1': who,
        }),
    ],
    [1, () => JSON.stringify({ level: 'error', msg: who, service_name: 'other', n: 12345678901234, f: 1e21, e: {} })],
    [
      1,
      () =>
        choices.of([
          '{"msg":"cut',
          '{"status":1}x',
          '[1,2]',
          '"text"',
          '{}',
          '{"a":1,"a":2}',
          'null',
          '{"status": 5e2 }',
        ]),
    ],
    [4, () => `status=${status} took=${took} size=${size} user=${who === '' || who === 'a b' ? `"${who}"` : who}`],
    [
      2,
      () =>
        choices.of([
          'msg="with \\"quotes\\"" status=1',
          'a= b=2 c',
          'status=1 status=2',
          'x="cut',
          '=v k=',
          'a=b=c d==',
          'level=warn msg=hello',
        ]),
    ],
    [
      3,
      () => `10.${choices.below(3)}.0.7 - "${choices.of(['GET', 'POST'])} /cart/${choices.below(3)}" ${status} ${took}`,
    ],
    [
      2,
      () =>
        choices.of([
          '',
          ' ',
          'plain words',
          'Error: no stock',
          '\u001b[31mred\u001b[0m',
          'tab\there',
          'a\nb',
          'ERROR [pay] refused',
          '100%',
          '{{ .x }}',
        ]),
    ],
    [1, () => JSON.stringify({ _entry: choices.of(['inner text', 'status=9', '']), pod: who, zone: 'packed' })],
  )
}

/** Loki's push API in JSON; one stream a set of labels. */
export function pushRequest(lines: readonly Line[]): string {
  const streams = Map.groupBy(lines, ({ stream }) => JSON.stringify(stream))
  return JSON.stringify({
    streams: [...streams.values()].map((own) => ({
      stream: own[0]!.stream,
      values: own.map(({ timeNs, text: line, metadata }) => [String(timeNs), line, metadata]),
    })),
  })
}
