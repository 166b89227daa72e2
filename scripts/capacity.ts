/** `npm run capacity`: what a rate of POSTs needs, from what one was measured to cost ([docs/capacity.md](../docs/capacity.md)). */
import { readFlags } from '@sightline/local/flags'
import { answer, OPTIONS } from './capacity/answer.ts'

const usage = `npm run capacity -- [--rate N [--days N]] [--simulate | --check | --assumptions] [--json]

Pods, partitions, disks and money for a rate of POSTs; without --rate for 10, 1,000 and 100,000 a second.
  --rate, --days      POSTs a second, a mean; how long all is kept: 7 and 15 days, or 15
  --peak              peak over mean, 2 by default
  --utilisation       share of each bound that is used at the peak, 0.7 by default
  --set NAME=NUMBER   another assumption, again and again; --assume FILE reads a JSON object of them
  --prices FILE       your prices, a JSON object; those built in are examples
  --assumptions       all of them, with their sources
  --check             the model beside what was measured at three rates
  --simulate          failures in the Collector, the outbox and the sealer, at 100,000 a second or --rate;
                      --partitions N (again and again), --load N (what comes, not what was planned for), --seed N
  --measured FILE     costs that bench/capacity/measure.ts wrote on your machine
  --json              for programs`
const { values } = readFlags(usage, { options: OPTIONS })
try {
  console.log(answer(values))
} catch (error) {
  console.error(`${(error as Error).message}\nUsage: ${usage.split('\n')[0]}`)
  process.exit(2)
}
