import { counted } from '@sightline/contracts/counted'
import type { Tally } from './tally.ts'

interface Bounds {
  count: number
  milliseconds: number
}

const WIDTH = 30

/** A bar that redraws on a terminal; elsewhere a line every ten seconds, so that a log stays readable. */
export class Progress {
  readonly #bounds: Bounds
  readonly #tally: Tally
  readonly #timer: NodeJS.Timeout
  readonly #live = process.stdout.isTTY === true

  constructor(bounds: Bounds, tally: Tally) {
    this.#bounds = bounds
    this.#tally = tally
    this.#timer = setInterval(() => this.#draw(), this.#live ? 200 : 10_000)
  }

  end(): void {
    clearInterval(this.#timer)
    this.#draw()
    if (this.#live) process.stdout.write('\n')
  }

  #draw(): void {
    const { sent, unexpected } = this.#tally
    const seconds = this.#tally.seconds()
    const done = Math.min(1, Math.max(sent / this.#bounds.count, (seconds * 1000) / this.#bounds.milliseconds))
    const bar = '█'.repeat(Math.round(done * WIDTH)).padEnd(WIDTH, '░')
    const text = `${bar} ${(done * 100).toFixed(0).padStart(3)} %  ${counted(sent, 'request')}  ${(sent / seconds).toFixed(1)}/s  ${unexpected} unexpected`
    process.stdout.write(this.#live ? `\r${text}\x1b[K` : `${text}\n`)
  }
}
