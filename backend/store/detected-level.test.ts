import assert from 'node:assert/strict'
import { test } from 'node:test'
import { levelInLine, statedLevel } from './detected-level.ts'

test('a level stands in a field of JSON or logfmt, or among the words', () => {
  const cases: Record<string, string> = {
    '{"level":"WARNING","msg":"info"}': 'warn',
    ' {"msg":"x","log.level":"Err"} ': 'error',
    '{"log":{"level":"dbg"}}': 'debug',
    '{"a":{"b":{"level":"debug"}},"msg":"x"}': 'debug',
    '{"a":{"b":{"lvl":"fatal"}},"msg":"x"}': 'fatal',
    '{"a":{"b":{"lvl":"wrn"}},"msg":"x"}': 'unknown',
    '{"severity":"CRITICAL"}': 'critical',
    '{"level":30,"msg":"x"}': 'unknown',
    '{"level":"odd","msg":"[error] x"}': 'error',
    '{"level":"warn"': 'warn',
    'ts=1 LVL=trc msg="an [error]"': 'trace',
    'severity=error level=information': 'info',
    'level="fatal" msg=x': 'fatal',
    'a=b WARNING: x': 'warn',
    'ERR: disk full': 'error',
    '[CRITICAL] disk full': 'critical',
    'GET /debug': 'unknown',
    'Error: no stock': 'error',
    'warn (error)': 'warn',
    'an error! of errors': 'error',
    'terror, 1error, error.log, error-x': 'unknown',
    'INFO started': 'info',
    'nothing to see': 'unknown',
    '__proto__=x level=__proto__': 'unknown',
    '': 'unknown',
  }
  for (const [line, level] of Object.entries(cases)) assert.equal(levelInLine(line), level, line)
})

test('what is stated is spelled as Loki does, and kept where it knows no such level', () => {
  const of = (values: Record<string, string>) => statedLevel((field) => values[field])
  assert.equal(of({ level: 'Warning', severity: 'error' }), 'warn')
  assert.equal(of({ level: '', severity_text: 'FATAL' }), 'fatal')
  assert.equal(of({ Lvl: 'verbose' }), 'verbose')
  assert.equal(of({ status: 'error' }), undefined)
})
