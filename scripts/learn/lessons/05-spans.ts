import { idIn, type Lesson, verdict, withTraceId, wrong } from '../question.ts'

/** Lesson 5: what libraries record, and what only the author knows. */
export const spans: Lesson = {
  id: '5',
  title: 'Spans: automatic, manual, attributes, events, errors',
  minutes: 15,
  page: '05-spans.md',
  questions: [
    {
      ask: 'Send an order for two different products. What is its trace id?',
      check: (answer, live) =>
        withTraceId(answer, async (traceId) => {
          const found = (await live.trace(traceId)) ?? []
          const products = found.find(({ name }) => name === 'create_order')?.attributes['order.product_ids']
          if (!Array.isArray(products)) return wrong('This trace has no span create_order: was the request an order?')
          return verdict(
            new Set(products).size === 2,
            'create_order says in order.product_ids what was ordered: two are asked for.',
          )
        }),
    },
    {
      ask: 'Which child of create_order took the longest in that trace?',
      async check(answer, live, [traceId = '']) {
        const found = (await live.trace(idIn(traceId))) ?? []
        const order = found.find(({ name }) => name === 'create_order')
        const children = found.filter(({ parentId }) => parentId === order?.id)
        const longest = children.toSorted((a, b) => Number(b.end - b.start - (a.end - a.start)))[0]
        return verdict(
          longest !== undefined && answer.trim() === longest.name,
          'npm run trace shows it: children stand one step to the right of create_order. Give the name as shown.',
        )
      },
    },
    {
      ask: 'Send an order of more than 100 through your changed service. What is the trace id that has your span and its event?',
      check: (answer, live) =>
        withTraceId(answer, async (traceId) => {
          const own = (await live.trace(traceId))?.find(({ name }) => name === 'check_discount')
          if (!own)
            return wrong('This trace has no span check_discount. Was the change saved, and order-service started anew?')
          if (own.attributes['discount.percent'] === undefined)
            return wrong('The span lacks the attribute discount.percent.')
          return verdict(
            own.events.some(({ name }) => name === 'discount.granted'),
            'The span has no event discount.granted: was the order worth more than 100?',
          )
        }),
    },
  ],
}
