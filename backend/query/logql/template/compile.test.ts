import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Row } from '../row.ts'
import { buildLogTable } from '../test/lines.ts'
import { compileTemplate } from './compile.ts'

const table = buildLogTable([
  {
    timeNs: 1_700_000_000_123_456_789n,
    labels: { app: 'shop', n: '7', f: '2.5', json: '{"a":[1,{"b":"x"}]}', took: '1m30s', when: '2024-05-06 07:08:09' },
    line: 'Hello, Wörld 42',
  },
])
const run = (template: string): string => {
  const row = new Row(table)
  row.move(0)
  return compileTemplate(template)(row)
}

const cases: [template: string, text: string][] = [
  ['plain', 'plain'],
  ['{{ .app }}-{{.missing}}-{{ __line__ | lower }}', 'shop--hello, wörld 42'],
  ['a {{- " b " -}} c', 'a b c'],
  ['{{/* nothing */}}x', 'x'],
  ['{{ if eq .n "7" }}seven{{ else if .x }}x{{ else }}other{{ end }}', 'seven'],
  ['{{ if and (contains "sho" .app) (not .missing) }}yes{{ end }}', 'yes'],
  ['{{ with .missing }}{{ . }}{{ else }}none{{ end }}', 'none'],
  ['{{ range $i, $e := fromJson `["a","b"]` }}{{ $i }}={{ $e }};{{ end }}', '0=a;1=b;'],
  ['{{ $x := .app | upper }}{{ $x = print $x "!" }}{{ $x }}', 'SHOP!'],
  ['{{ (index (fromJson .json).a 1).b }}', 'x'],
  ['{{ add .n 1 2 }} {{ sub 5 .n }} {{ div .n 2 }} {{ mod .n 4 }} {{ divf 1 4 }} {{ mulf .f 2 }}', '10 -2 3 3 0.25 5'],
  ['{{ round .f 0 }} {{ ceil .f }} {{ floor .f }} {{ max 1 .n 3 }} {{ minf 1.5 .f }}', '3 3 2 7 1.5'],
  ['{{ duration .took }} {{ bytes "2KB" }} {{ int "12" }} {{ float64 "1.50" }}', '90 2000 12 1.5'],
  ['{{ printf "%-6s|%05d|%6.2f|%q|%x|%%|%v" .app 42 3.14159 "a" "hi" true }}', 'shop  |00042|  3.14|"a"|6869|%|true'],
  [
    '{{ trunc 3 .app }} {{ trunc -3 .app }} {{ substr 1 3 .app }} {{ alignLeft 6 .app }}|{{ alignRight 6 .app }}',
    'sho hop ho shop  |  shop',
  ],
  [
    '{{ replace "o" "0" .app }} {{ Replace "aaa" "a" "b" 2 }} {{ title "ab cd" }} {{ repeat 2 "x" }}',
    'sh0p bba Ab Cd xx',
  ],
  [`{{ title "with \\"quotes\\" a.b u_v ünï" }}`, 'With "Quotes" A.B U_v Ünï'],
  [
    '{{ Replace .app "" "-" -1 }} {{ Replace .app "" "-" 2 }} {{ Replace .app "o" "0" 9 }} {{ replace "" "+" "ab" }}',
    '-s-h-o-p- -s-hop sh0p +a+b+',
  ],
  [
    '{{ trimAll "-" "--a--" }} {{ trimPrefix "s" .app }} {{ TrimSuffix .app "p" }} {{ indent 2 "a\\nb" }}',
    'a hop sho   a\n  b',
  ],
  [
    '{{ regexReplaceAll "(o)(p)" .app "$2$1" }} {{ regexReplaceAllLiteral "o" .app "$1" }} {{ count "[a-z]" .app }}',
    'shpo sh$1p 4',
  ],
  [
    '{{ b64enc .app }} {{ b64dec "c2hvcA==" }} {{ urlencode "a b&c" }} {{ urldecode "a+b%26c" }}',
    'c2hvcA== shop a+b%26c a b&c',
  ],
  [
    '{{ default "none" .missing }} {{ .app | default "none" }} {{ len .app }} {{ hasPrefix "sh" .app }}',
    'none shop 4 true',
  ],
  ['{{ __timestamp__ | date "2006-01-02T15:04:05.000Z07:00" }}', '2023-11-14T22:13:20.123Z'],
  ['{{ __timestamp__ | date "Mon Jan _2 03:04PM 06 .999999999" }}', 'Tue Nov 14 10:13PM 23 .123456789'],
  [
    '{{ unixEpoch __timestamp__ }} {{ unixEpochMillis __timestamp__ }} {{ __timestamp__ | unixEpochNanos }}',
    '1700000000 1700000000123 1700000000123456789',
  ],
  ['{{ toDate "Mon Jan _2 03:04:05.000 PM 2006" "tue NOV  7 10:13:20.5 PM 2023" | unixEpoch }}', '-62135596800'],
  [
    '{{ toDate "Mon Jan _2 03:04:05.000 PM 2006" "tue NOV  7 10:13:20.500 PM 2023" | unixEpochMillis }}',
    '1699395200500',
  ],
  [
    '{{ toDate "Monday, 2 January 06 3:04:05 -07:00" "Tuesday, 7 November 23 1:13:20.25 +01:00" | unixEpochMillis }}',
    '1699316000250',
  ],
  ['{{ toDate "2006-01-02T15:04:05.999Z07:00" "2023-11-07T00:13:20Z" | unixEpoch }}', '1699316000'],
  ['{{ toDate "2006-01-02 15:04:05" .when | unixEpoch }}', '1714979289'],
  ['{{ toDateInZone "2006-01-02 15:04:05" "America/New_York" .when | date "15:04 -0700" }}', '11:08 +0000'],
  ['{{ unixToTime "1700000000" | date "2006" }}', '2023'],
  ['{{ unixToTime "1700000000" | date "02_01_2006 _2" }}', '14_11_2023 14'],
  // Floats as Go prints them, ints of any base
  [
    '{{ 1e6 }} {{ 1234567.0 }} {{ 1e21 }} {{ 0.00001 }} {{ 100000.5 }} {{ 123456789.5 }} {{ ceil -0.5 }}',
    '1e+06 1.234567e+06 1e+21 1e-05 100000.5 1.234567895e+08 -0',
  ],
  [
    '{{ mulf 1e6 10 }} {{ float64 "1234567" }} {{ bytes "20MB" }} {{ round 12345678.567 2 }}',
    '1e+07 1.234567e+06 2e+07 1.234567857e+07',
  ],
  [
    '{{ fromJson `{"a":1234567,"b":[null]}` }} {{ add 1000000 1 }} {{ len .app | mul 1000000 }}',
    'map[a:1.234567e+06 b:[<nil>]] 1000001 4000000',
  ],
  ['{{ 0x10 }} {{ 1_000 }} {{ 0b11 }} {{ 0o17 }} {{ 017 }} {{ +5 }} {{ -5 }} {{ .5 }}', '16 1000 3 15 15 5 -5 0.5'],
  ['{{ int "1.9" }} {{ int "0x10" }} {{ int "010" }} {{ int " 7" }} {{ int "1e3" }} {{ int 1.9 }}', '1 16 8 0 0 1'],
  ['{{ float64 "0x10" }} {{ float64 "Inf" }} {{ float64 " 1" }} {{ float64 "1e3" }}', '0 +Inf 0 1000'],
  [
    '{{ addf 0.1 0.2 }} {{ subf 0.3 0.1 }} {{ mulf 1.1 1.1 }} {{ divf 1 3 }} {{ divf -2 3 }}',
    '0.3 0.2 1.21 0.3333333333333333 -0.6666666666666667',
  ],
  // Texts are bytes
  ['{{ "ünï" | trunc 2 }} {{ "ünï" | trunc -2 }} {{ substr 0 2 "ünï" }} {{ substr 1 9 "abc" }}', 'ü ï ü bc'],
  [
    '{{ "YWJ" | b64dec }}, {{ "YW=" | b64dec }}, {{ "YQ==x" | b64dec }}, {{ "!" | b64dec }}, {{ "YQ=x" | b64dec }}',
    `illegal base64 data at input byte ${['0', '3', '4', '0', '2'].join(', illegal base64 data at input byte ')}`,
  ],
  ['{{ "%e4" | urldecode }}', '\ufffd'],
  [
    '{{ js `a\'b"c<d>&=/` }} {{ "é\\n" | js }} {{ html "a" "<" }} {{ print }}',
    `a\\'b\\"c\\u003Cd\\u003E\\u0026\\u003D/ é\\u000A a&lt; `,
  ],
  ['{{ regexReplaceAll "a*" "baac" "-" }}', '-b-c-'],
  ['{{ printf "% d|%q" 42 65 }}', " 42|'A'"],
  [
    '{{ printf "%q %+q" "\\a\\x1b\\x7f\\u200b\\ue000é😀" "é😀" }}',
    '"\\a\\x1b\\x7f\\u200b\\ue000é😀" "\\u00e9\\U0001f600"',
  ],
  ['{{ printf "%#q %#q %#v" "a\\tb" "a\\nb" "\\x1b" }}', '`a\tb` "a\\nb" "\\x1b"'],
  ['{{ printf "%q %+q %q %q" 55296 57343 -1 1114112 }}', "'�' '\\ufffd' '�' '�'"],
  ['{{ printf "%q %q %+q" 39 10 233 }}', "'\\'' '\\n' '\\u00e9'"],
  [
    '{{ printf "%s %d %f %U %G %.3g %#v" 5 1.5 1 65 1.5 1234.5678 "a" }}',
    '%!s(int=5) %!d(float64=1.5) %!f(int=1) U+0041 1.5 1.23e+03 "a"',
  ],
  [
    '{{ printf "%[2]s %[1]s" "a" "b" }} {{ printf "%" }} {{ printf "%!" }} {{ printf "%d" (fromJson "[1]") }}',
    'b a %!(NOVERB) %!!(MISSING) [%!d(float64=1)]',
  ],
  ['{{ toDateInZone "2006" "Nope/Zone" "2023" }}', '2023-01-01 00:00:00 +0000 UTC'],
]

for (const [template, text] of cases) {
  test(`template ${template}`, () => assert.equal(run(template), text))
}

test('a text in the place of a function is refused', () => {
  assert.throws(() => run('{{ "a" | "b" }}'), /non executable command/)
})

test('what fails on a line throws, and templates can not blow up', () => {
  for (const template of [
    '{{ .app.x }}',
    '{{ div 1 0 }}',
    '{{ lt 1 "a" }}',
    '{{ repeat 9999999 "xxxxxxxx" }}',
    '{{ index (fromJson "[]") 3 }}',
    '{{ 5 | upper }}',
    '{{ true | upper }}',
    '{{ trunc "2" "abc" }}',
    '{{ repeat -1 "a" }}',
    '{{ substr 2 1 "abc" }}',
    '{{ substr 5 9 "abc" }}',
    '{{ slice "abc" 2 9 }}',
    '{{ index "" 0 }}',
    '{{ divf 1 0 }}',
    '{{ duration "1d" }}',
    '{{ eq 1 1.0 }}',
    '{{ nil }}',
  ]) {
    assert.throws(() => run(template), Error, template)
  }
  const nested = '{{ range 9999 }}'.repeat(3) + 'x'.repeat(500) + '{{ end }}'.repeat(3)
  assert.throws(() => run(nested), /writes more than/)
  const idle = '{{ range 9999 }}'.repeat(3) + '{{ end }}'.repeat(3)
  assert.throws(() => run(idle), /too much work/)
  assert.throws(() => run(`{{ "aaaaaaaaaa"${' | replace "a" "aaaaaaaaaa"'.repeat(9)} | len }}`), /longer than/)
  assert.throws(() => run('{{ regexReplaceAll "a*" (repeat 1000000 "b") "bbbbbbbbbb" }}'), /longer than/)
  assert.throws(() => run(`{{ $x := "ab" }}{{ range 60 }}{{ $x = print $x $x }}{{ end }}`), /too much work/)
})
