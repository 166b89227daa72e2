/** What tests of services share. */
export { CarryingQuery } from '../carrying-query.ts'
export { atOnce } from './at-once.ts'
export { loseAnswer } from './lose-answer.ts'
export { type OtlpSink, type SinkLog, type SinkSpan, startOtlpSink } from './otlp-sink.ts'
export { COMPILED, QUICK_START, startProcess, type TestProcess } from './process.ts'
export { call, sample, startInProcess, type TestAnswer, type TestService } from './service.ts'
