/** Random LogQL that both engines should take, simple parts first. */
import type { Choices } from './choices.ts'

const NAMES = [
  'status',
  'took',
  'size',
  'user',
  'user_name',
  'level',
  'zone',
  'code',
  'trace_id',
  'msg',
  'absent',
  'env',
]
const EQUAL = ['=', '!='] as const
const MATCH = ['=~', '!~'] as const
const ORDER = ['>', '>=', '<', '<=', '==', '!='] as const
const ARITHMETIC = ['+', '-', '*', '/', '%', '^'] as const
const COMPARE = ['>', '>=', '<', '<=', '==', '!=', '> bool', '== bool', '<= bool', '!= bool'] as const
const PATTERNS = ['.+', '.*', 'a.*', '2..', 'err|warn', '(?i)ERROR', '', '[0-9]+']
const FUNCTIONS = [
  'upper',
  'lower',
  'title',
  'trim',
  'trunc 3',
  'trunc -3',
  'substr 1 3',
  'repeat 2',
  'replace "a" "b"',
  'trimAll "a"',
  'trimPrefix "a"',
  'trimSuffix "n"',
  'alignLeft 6',
  'alignRight 6',
  'indent 2',
  'nindent 1',
  'b64enc',
  'b64enc | b64dec',
  'b64dec',
  'urlencode',
  'urldecode',
  'default "none"',
  'hasPrefix "a"',
  'hasSuffix "n"',
  'contains "n"',
  'count "n"',
  'regexReplaceAll "(a)(.)" "a"',
  'bytes',
  'duration',
  'duration_seconds',
  'int',
  'float64',
  'printf "%q %5s|%-5s|%v"',
  'len',
  'fromJson',
  'ToUpper',
  'TrimSpace',
  'html',
  'urlquery',
  'js',
] as const
const CALLS = [
  'add 1 2 3',
  'sub 5 2',
  'mul 2 3',
  'div 7 2',
  'mod 7 2',
  'addf 1.5 2',
  'subf 5 2.5',
  'mulf 1.5 2',
  'divf 7 2',
  'max 1 2 3',
  'min 3 1 2',
  'maxf 1.5 2',
  'minf 1.5 2',
  'ceil 1.2',
  'floor 1.8',
  'round 1.256 2',
  'round 1.5 0',
  'unixEpoch __timestamp__ | len',
  '__timestamp__ | date "2006"',
  'unixToTime "1679577215" | date "2006-01-02"',
  'toDate "2006-01-02" "2021-11-02" | unixEpoch',
  'regexReplaceAllLiteral "(ts=)" "timestamp=" "$"',
  'replace "a" "b" "aaa"',
  'printf "%d %05.2f %t %x" 7 1.5 true 255',
  'printf "%s %v %T" "a" 1 2',
  'substr 0 3 __line__',
  'urlencode "a b/c?d=ü"',
  'urldecode "a%20b+c"',
  'b64dec "YQ=="',
  'bytes "2KB"',
  'duration "1h2m"',
  'duration_seconds "90s"',
  'index .absent 0',
  'eq 1 1',
  'ne "a" "b"',
  'lt 1 2',
  'and 1 0',
  'or "" "x"',
  'not true',
  'slice "abcdef" 1 3',
  'len "ünï"',
  'repeat 3 "ab"',
  'indent 2 "a\\nb"',
  'title "two words"',
  'trunc 100 "short"',
  'alignRight 3 "abcdef"',
] as const
const WORDS = ['status', 'ann', 'ünï', '500', '', '"', 'GET', 'rr', '{', '=']

export function logs(choices: Choices): string {
  return `${selector(choices)}${pipeline(choices, 4)}`
}

export function metrics(choices: Choices): string {
  return metric(choices, 2)
}

export function selector(choices: Choices): string {
  const first = choices.of([
    'service_name=~".+"',
    'service_name="shop"',
    'env="prod"',
    'env=~"prod|test"',
    'service_name=~"s.*"',
  ])
  return choices.way(
    [4, () => `{${first}}`],
    [1, () => `{${first}, ${choices.of(['level', 'zone', 'absent', 'status'])}${matcher(choices)}}`],
  )
}

function matcher(choices: Choices): string {
  return choices.way(
    [2, () => `${choices.of(EQUAL)}${quoted(choices.of(['', 'info', 'error', 'a', '200', 'aa11', 'ann', 'x']))}`],
    [1, () => `${choices.of(MATCH)}${quoted(choices.of(PATTERNS))}`],
  )
}

const quoted = (text: string) => JSON.stringify(text)

function pipeline(choices: Choices, most: number): string {
  return Array.from({ length: choices.below(most + 1) }, () => ` ${stage(choices)}`).join('')
}

function stage(choices: Choices): string {
  return choices.way(
    [4, () => lineFilter(choices)],
    [4, () => parser(choices)],
    [6, () => `| ${labelFilter(choices, 1)}`],
    [1, () => `| line_format ${quoted(template(choices))}`],
    [1, () => `| line_format ${quoted(called(choices))}`],
    [1, () => `| label_format made=${quoted(called(choices))}`],
    [1, () => `| label_format ${labelFormat(choices)}`],
    [
      1,
      () =>
        `| ${choices.of(['drop', 'keep'])} ${choices.of(NAMES)}${choices.of(['', ', status', '="x"', '=~"a.*"', '!="x"', '!~"a.*", level, env', '=""', ', __error__'])}`,
    ],
    [1, () => '| decolorize'],
  )
}

function lineFilter(choices: Choices): string {
  return choices.way(
    [4, () => `${choices.of(['|=', '!='])} ${quoted(choices.of(WORDS))}`],
    [2, () => `${choices.of(['|~', '!~'])} ${quoted(choices.of(PATTERNS))}`],
    [1, () => `|= ${quoted(choices.of(WORDS))} or ${quoted(choices.of(WORDS))}`],
    [
      1,
      () =>
        `${choices.of(['|=', '!='])} ip("${choices.of(['10.0.0.0/8', '10.1.0.7', '10.0.0.1-10.1.255.255'])}")${choices.of(['', '', ' or "x"'])}`,
    ],
    [
      1,
      () =>
        `${choices.of(['|>', '!>'])} ${quoted(choices.of(['<_>status=<_>', '<_>ann<_>', '10.<_> - <_>', 'plain <_>', '', 'status=<_>', '<_>s', '1', '<_>a<_>a<_>', '<_>']))}`,
    ],
  )
}

function parser(choices: Choices): string {
  return choices.way(
    [4, () => '| json'],
    [4, () => '| logfmt'],
    [
      1,
      () =>
        `| json ${choices.of(['who="user.name"', 'first="list[0]"', 'deep="list[1].deep", msg', 'status="status"', 'obj="user"', 'odd="[\\"odd key-1\\"]"'])}`,
    ],
    [
      1,
      () =>
        `| logfmt ${choices.of(['--strict', '--keep-empty', '--strict --keep-empty', 'who="user"', 'status, took', '--strict status'])}`,
    ],
    [
      1,
      () =>
        `| pattern ${quoted(
          choices.of([
            '<ip> - "<verb> <path>" <status> <took>',
            '<_> <verb> <_>',
            '<first>=<rest>',
            'status=<status> <_>',
            '<_>status=<status>',
            '<level>',
            '<a> <b> <c> <d> <e> <f>',
            'x<a>',
          ]),
        )}`,
    ],
    [
      1,
      () =>
        `| regexp ${quoted(
          choices.of([
            '(?P<verb>GET|POST) (?P<path>\\S+)',
            '(?P<status>[0-9]+)',
            '^(?P<level>\\w+)',
            '(?P<a>x)?(?P<b>s)',
            '(?P<empty>)',
            '(?i)(?P<word>error|warn)',
            '(?P<first>.)(.)(?P<third>.)',
          ]),
        )}`,
    ],
    [1, () => '| unpack'],
  )
}

function labelFilter(choices: Choices, depth: number): string {
  const simple = () =>
    choices.way(
      [4, () => `${choices.of(NAMES)}${matcher(choices)}`],
      [3, () => `${choices.of(NAMES)} ${choices.of(ORDER)} ${choices.of(['200', '0', '1.5', '-1'])}`],
      [
        1,
        () => `${choices.of(['took', 'status', 'absent'])} ${choices.of(ORDER)} ${choices.of(['12ms', '1s', '1m30s'])}`,
      ],
      [
        1,
        () =>
          `${choices.of(['size', 'status', 'absent'])} ${choices.of(ORDER)} ${choices.of(['20KB', '1MiB', '512B'])}`,
      ],
      [1, () => `${choices.of(['ip', 'user'])} ${choices.of(EQUAL)} ip("10.0.0.0/16")`],
      [1, () => choices.of(['__error__=""', '__error__!=""', '__error__=~".+Err"'])],
    )
  if (depth === 0) return simple()
  return choices.way(
    [5, simple],
    [1, () => `${labelFilter(choices, 0)} ${choices.of(['and', 'or', ','])} ${labelFilter(choices, 0)}`],
    [1, () => `(${labelFilter(choices, 0)} or ${labelFilter(choices, 0)}) and ${labelFilter(choices, 0)}`],
  )
}

function template(choices: Choices): string {
  const name = choices.of(NAMES)
  return choices.of([
    `{{.${name}}}`,
    `{{.${name} | upper}} x`,
    `{{ __line__ | trunc 5 }}`,
    `{{ if .${name} }}yes{{ else }}no{{ end }}`,
    `{{ .${name} | replace "a" "b" | default "none" }}`,
    `{{ regexReplaceAll "[0-9]+" __line__ "n" }}`,
    `{{ printf "%-6s|" .${name} }}{{ len .${name} }}`,
    `{{ add 1 (int .${name}) }} {{ .${name} | float64 | mulf 2 }}`,
    `{{ __line__ | alignLeft 4 }}{{ .${name} | trim | title }}`,
    `{{ if and (eq .${name} "200") (contains "a" __line__) }}both{{ end }}`,
  ])
}

/** A function of a template, of a label's value or of constants. */
function called(choices: Choices): string {
  const name = choices.of(NAMES)
  return choices.way(
    [3, () => `{{ .${name} | ${choices.of(FUNCTIONS)} }}`],
    [2, () => `{{ __line__ | ${choices.of(FUNCTIONS)} }}`],
    [3, () => `{{ ${choices.of(CALLS)} }}`],
    [1, () => `{{ .${name} | ${choices.of(FUNCTIONS)} | ${choices.of(FUNCTIONS)} }}`],
    [1, () => `{{ range $i, $e := (fromJson __line__) }}{{ $i }}:{{ $e }};{{ end }}`],
    [1, () => `{{ with .${name} }}{{ . }}{{ else }}none{{ end }}{{- /* a note */ -}}  x`],
    [1, () => `{{ $a := .${name} }}{{ $a }}{{ if not $a }}-{{ else if eq $a "200" }}!{{ end }}`],
  )
}

function labelFormat(choices: Choices): string {
  const name = choices.of(NAMES)
  return choices.way(
    [2, () => `${choices.of(['renamed', 'level', 'status'])}=${name}`],
    [2, () => `${choices.of(['made', 'level', 'status'])}=${quoted(template(choices))}`],
    [1, () => `made=${name}, other=${quoted(`{{.made}}-{{.${name}}}`)}`],
  )
}

/** `{…} | … [5m]`, unwrapped or not. */
function range(choices: Choices): string {
  const window = choices.of(['[5m]', '[1m]', '[90s]', '[10m]', '[1m7s]'])
  const offset = choices.once(6) ? ` offset ${choices.of(['1m', '-1m', '45s', '-17s', '1h'])}` : ''
  return choices.way(
    [
      3,
      () => {
        const op = choices.of(['count_over_time', 'rate', 'bytes_over_time', 'bytes_rate', 'absent_over_time'])
        return `${op}(${clean(choices)} ${window}${offset})`
      },
    ],
    [
      3,
      () => {
        const op = choices.of(['sum', 'avg', 'min', 'max', 'first', 'last', 'stddev', 'stdvar', 'quantile'])
        const grouping =
          choices.once(3) && !['sum'].includes(op) ? ` ${choices.of(['by', 'without'])} (${labels(choices)})` : ''
        const query = `${clean(choices)}${unwrap(choices)} ${window}${offset}`
        return `${op}_over_time(${op === 'quantile' ? `${choices.of(['0.5', '0.9', '0'])}, ` : ''}${query})${grouping}`
      },
    ],
    [1, () => `${choices.of(['rate', 'rate_counter'])}(${clean(choices)}${unwrap(choices)} ${window}${offset})`],
  )
}

function unwrap(choices: Choices): string {
  const value = choices.of([
    'status',
    'code',
    'duration(took)',
    'bytes(size)',
    'user_id',
    'duration_seconds(took)',
    'bytes(status)',
    'duration(status)',
    'took',
    'absent',
  ])
  const filter = choices.of([
    ' | __error__=""',
    ' | __error__=""',
    '',
    ' | status > 100 | __error__=""',
    ' | level="info"',
  ])
  return ` | unwrap ${value}${filter}`
}

/** Without a line that a parser can't read: a metric query over one is an error. */
function clean(choices: Choices): string {
  const parsed = choices.of(['', ' | json | __error__=""', ' | logfmt | __error__=""'])
  return `${selector(choices)}${parsed}${pipeline(choices, 1)}`
}

function labels(choices: Choices): string {
  const all = ['service_name', 'level', 'env', 'status', 'zone', 'absent']
  return Array.from({ length: 1 + choices.below(2) }, () => choices.of(all)).join(', ')
}

function metric(choices: Choices, depth: number): string {
  if (depth === 0) return range(choices)
  const inner = () => metric(choices, depth - 1)
  return choices.way(
    [4, () => range(choices)],
    [
      4,
      () => {
        const op = choices.of(['sum', 'max', 'min', 'avg', 'count', 'stddev', 'stdvar'])
        return `${op}${choices.of(['', ` ${choices.of(['by', 'without'])} (${labels(choices)})`])} (${inner()})`
      },
    ],
    [1, () => `${choices.of(['sort', 'sort_desc'])}(${inner()})`],
    [1, () => `${choices.of(['topk', 'bottomk'])}(${1 + choices.below(3)}, sum by (${labels(choices)}) (${inner()}))`],
    [
      1,
      () => {
        const grouping = `${choices.of(['by', 'without'])} (${labels(choices)})`
        return `${choices.of(['topk', 'bottomk'])} ${grouping} (${1 + choices.below(2)}, ${inner()})`
      },
    ],
    [2, () => `${inner()} ${choices.of(COMPARE)} ${choices.of([0, 1, 0.5])}`],
    [1, () => `${inner()} ${choices.of(ARITHMETIC)} ${choices.of([2, 0.5, -1, 0])}`],
    [1, () => `${choices.of([2, 0, -1.5])} ${choices.of([...ARITHMETIC, ...COMPARE])} ${inner()}`],
    [2, () => between(choices, inner, depth)],
    [2, () => matched(choices, inner)],
    [1, () => `${inner()} ${choices.of(['or', 'and', 'unless', '+', '>', '> bool'])} vector(${choices.of([0, 1])})`],
    [1, () => `vector(${choices.of([0, 1, 20])}) ${choices.of(['or', '-', '<', 'unless'])} sum(${inner()})`],
    [1, () => `label_replace(${inner()}, "new", "$1", "service_name", "(s.).*")`],
    [1, () => labelReplaced(choices, inner)],
    [
      1,
      () => choices.of(['vector(1)', '1 + 2', 'vector(2) > 1', '2 ^ 3 ^ 2', '1 > bool 2', '7 % 4 - 2 * 3', '-1 ^ 2']),
    ],
  )
}

/** Series that are alike on both sides. */
function between(choices: Choices, inner: () => string, depth: number): string {
  const by = `by (${labels(choices)})`
  const op = choices.of(['+', '/', '-', '>', 'and', 'or', 'unless', '== bool', '!=', '%', '^', '<= bool'])
  const right = choices.once(3) ? metric(choices, depth - 1) : range(choices)
  return `sum ${by} (${inner()}) ${op} sum ${by} (${right})`
}

/** Series that are matched by some of their labels. */
function matched(choices: Choices, inner: () => string): string {
  const one = choices.of(['service_name', 'level', 'env'])
  const more = choices.of(['level', 'zone', 'status', 'service_name'])
  const few = () => `${choices.of(['sum', 'max', 'count'])} by (${one}) (${inner()})`
  const many = () => `${choices.of(['sum', 'min', 'avg'])} by (${one}, ${more}) (${inner()})`
  const on = choices.of([`on (${one})`, `ignoring (${more})`, 'on ()', `on (${one}, ${more})`, 'ignoring ()'])
  const op = choices.of([...ARITHMETIC, ...COMPARE])
  const copied = choices.of(['', ' ()', ' (zone)', ' (absent, trace_id)'])
  return choices.way(
    [3, () => `${many()} ${op} ${on} group_left${copied} ${few()}`],
    [3, () => `${few()} ${op} ${on} group_right${copied} ${many()}`],
    [2, () => `${few()} ${op} ${on} ${few()}`],
    [3, () => `${many()} ${choices.of(['and', 'or', 'unless'])} ${on} ${choices.once(2) ? few() : many()}`],
    [1, () => `(${range(choices)}) ${choices.of(['and', 'or', 'unless', '*', '>'])} ${on} ${few()}`],
  )
}

function labelReplaced(choices: Choices, inner: () => string): string {
  const target = choices.of(['new', 'level', 'service_name', 'absent'])
  const made = choices.of(['$1', '', `$2-\${1}x`, '$name', 'text', '$1_y'])
  const regex = choices.of(['(.*)', '(.)(.*)', '', '(?P<name>[a-z]+)', 'none', '(.*)o|x'])
  return `label_replace(${inner()}, "${target}", "${made}", "${choices.of(['level', 'env', 'absent', 'service_name'])}", "${regex}")`
}
