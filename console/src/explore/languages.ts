/** Highlighting for the three query languages, from the grammars that Grafana and Prometheus publish. */

import { HighlightStyle, LanguageSupport, LRLanguage, syntaxHighlighting } from '@codemirror/language'
import type { Extension } from '@codemirror/state'
import { parser as logql } from '@grafana/lezer-logql'
import { parser as traceql } from '@grafana/lezer-traceql'
import { styleTags, tags as t } from '@lezer/highlight'
import { parser as promql } from '@prometheus-io/lezer-promql'

export type QueryLanguage = 'traceql' | 'logql' | 'promql'

const traceqlLanguage = LRLanguage.define({
  name: 'traceql',
  parser: traceql.configure({
    props: [
      styleTags({
        'LineComment BlockComment': t.comment,
        String: t.string,
        'Integer Float Duration': t.number,
        'IntrinsicField/... Static': t.atom,
        'Span Resource Event Link Instrumentation Parent': t.keyword,
        'AttributeField/Identifier AttributeField/...': t.propertyName,
        'Aggregate AggregateExpression/... MetricsOverTimeType MetricsOperationBasicType MetricsOperationHistogram MetricsAggregatorFunctionType':
          t.function(t.variableName),
        'GroupOperation SelectOperation CoalesceOperation With By': t.keyword,
        'FieldOp ComparisonOp ScalarOp And Or Gt Lt Desc Anc Pipe UnionStructuralOp ExperimentalOp': t.operator,
      }),
    ],
  }),
  languageData: { closeBrackets: { brackets: ['{', '(', '"', '`'] } },
})

const logqlLanguage = LRLanguage.define({
  name: 'logql',
  parser: logql.configure({
    props: [
      styleTags({
        LineComment: t.comment,
        String: t.string,
        'Number Duration Bytes Range': t.number,
        'Matcher/Identifier LabelName': t.propertyName,
        'Identifier UnitFilter/... NumberFilter/...': t.propertyName,
        'Json Logfmt Unpack Pattern Regexp Unwrap LabelFormat LineFormat Decolorize Drop Keep By Without On Ignoring Offset Bool And Or Unless':
          t.keyword,
        'CountOverTime Rate RateCounter BytesOverTime BytesRate AvgOverTime SumOverTime MinOverTime MaxOverTime StddevOverTime StdvarOverTime QuantileOverTime FirstOverTime LastOverTime AbsentOverTime':
          t.function(t.variableName),
        'Sum Avg Count Max Min Stddev Stdvar Bottomk Topk Sort Sort_Desc Vector LabelReplace': t.function(
          t.variableName,
        ),
        'PipeExact PipeMatch PipePattern Npa Neq Nre Eq Re Pipe Gtr Gte Lss Lte Eql Add Sub Mul Div Mod Pow':
          t.operator,
      }),
    ],
  }),
  languageData: { closeBrackets: { brackets: ['{', '(', '[', '"', '`'] } },
})

// Its parser brings its own tags.
const promqlLanguage = LRLanguage.define({
  name: 'promql',
  parser: promql,
  languageData: { closeBrackets: { brackets: ['{', '(', '[', '"', "'"] } },
})

const LANGUAGES: Readonly<Record<QueryLanguage, LRLanguage>> = {
  traceql: traceqlLanguage,
  logql: logqlLanguage,
  promql: promqlLanguage,
}

/** Colours are CSS variables, so light and dark need no second style. */
const style = HighlightStyle.define([
  { tag: t.comment, color: 'var(--muted)', fontStyle: 'italic' },
  { tag: t.string, color: 'var(--ok)' },
  { tag: [t.number, t.bool, t.literal], color: 'var(--accent)' },
  { tag: [t.propertyName, t.labelName, t.attributeName], color: 'var(--link)' },
  { tag: [t.keyword, t.modifier, t.operatorKeyword], color: 'var(--syntax-keyword)', fontWeight: '600' },
  { tag: [t.function(t.variableName), t.function(t.name)], color: 'var(--syntax-function)' },
  { tag: [t.atom], color: 'var(--syntax-keyword)' },
  { tag: [t.operator, t.bracket, t.punctuation], color: 'var(--muted)' },
])

/** Grammar and colours, as CodeMirror takes them. */
export const languageSupport = (language: QueryLanguage): Extension => [
  new LanguageSupport(LANGUAGES[language]),
  syntaxHighlighting(style),
]
