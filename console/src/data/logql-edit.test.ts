import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FieldSign, streamSelector, withField } from './logql-edit.ts'

const label = (name: string, value: string) => ({ name, value, isLabel: true })
const field = (name: string, value: string) => ({ name, value, isLabel: false })

test('a label is one matcher of the selector', () => {
  const cases: [string, FieldSign, string][] = [
    ['{app="a"}', '=', '{app="a", job="x"}'],
    ['{app="a", job="y"} |= "t"', '=', '{app="a", job="x"} |= "t"'],
    ['{job=~"x|y", job!="z"}', '=', '{job="x"}'],
    ['{job="x"}', '=', '{job="x"}'],
    ['{app="a"}', '!=', '{app="a", job!="x"}'],
    ['{app="a", job!="x"}', '!=', '{app="a", job!="x"}'],
    ['{job=~"x|y"}', '!=', '{job=~"x|y", job!="x"}'],
    // A selector of nothing but "not that" is none.
    ['{job="x"} | json', '!=', '{job=~".+", job!="x"} | json'],
    ['{ job = `x` , app=~".*" }', '!=', '{job=~".+", app=~".*", job!="x"}'],
  ]
  for (const [query, sign, expected] of cases) assert.equal(withField(query, label('job', 'x'), sign), expected, query)
})

test('a field is one filter at the end; what says the contrary goes, what is more than a plain filter stays', () => {
  const cases: [string, FieldSign, string][] = [
    ['{app="a"}', '=', '{app="a"} | level="x"'],
    ['{app="a"} | level="x"', '=', '{app="a"} | level="x"'],
    ['{app="a"} | level="y" | json', '=', '{app="a"} | json | level="x"'],
    ['{app="a"} | level!="x" |= "t"', '=', '{app="a"} |= "t" | level="x"'],
    ['{app="a"} | level="x" != "t"', '!=', '{app="a"} != "t" | level!="x"'],
    ['{app="a"} | level="y"', '!=', '{app="a"} | level="y" | level!="x"'],
    ['{app="a"} | level="x" or level="y"', '!=', '{app="a"} | level="x" or level="y" | level!="x"'],
    ['{app="a"} |= "| level=\\"x\\""', '=', '{app="a"} |= "| level=\\"x\\"" | level="x"'],
    ['{app="a"} # all', '=', '{app="a"} # all\n| level="x"'],
    ['{app="a"} |= "# no comment"', '=', '{app="a"} |= "# no comment" | level="x"'],
    ['rate', '=', 'rate'],
  ]
  for (const [query, sign, expected] of cases)
    assert.equal(withField(query, field('level', 'x'), sign), expected, query)
})

test('values are quoted, whatever is in them', () => {
  const value = 'a "b" \\ c\n{} | #'
  const once = withField('{app="a"}', field('msg', value), '=')
  assert.equal(once, String.raw`{app="a"} | msg="a \"b\" \\ c\n{} | #"`)
  assert.equal(withField(once, field('msg', value), '='), once)
  assert.equal(withField(once, field('msg', value), '!='), once.replace('msg=', 'msg!='))
  assert.equal(streamSelector({ app: 'a"', job: 'b' }), String.raw`{app="a\"", job="b"}`)
})
