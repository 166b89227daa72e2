/** A flame graph drawn on a canvas, and what of it lies at a point. */
import { serviceColor } from '../data/colors.ts'
import { boxesWithin, type Flame, type FlameBox } from '../data/flame.ts'
import { joinedSegments, type Segment } from '../data/trace.ts'
import type { Window } from '../data/window.ts'
import { cssColor } from '../shell/theme.ts'

/** Pixels from row to row. */
export const FLAME_ROW = 20
const BOX = FLAME_ROW - 2
/** What is narrower has no room for a letter. */
const LETTERS = 24
/** Dark on any service's colour. */
const INK = '#10131a'

interface Picture {
  readonly flame: Flame
  readonly window: Window
  /** CSS pixels. */
  readonly width: number
  readonly height: number
  /** Pixels that are scrolled away. */
  readonly top: number
  readonly chosen: FlameBox | undefined
  readonly walked: FlameBox | undefined
  readonly hovered: FlameBox | undefined
  readonly found: ReadonlySet<string> | undefined
  readonly path: ReadonlyMap<string, readonly Segment[]> | undefined
}

/** Draws the rows and the stretch of the axis that are in sight, nothing else. */
export function drawFlame(canvas: HTMLCanvasElement, picture: Picture): void {
  const { flame, window, width, height, top } = picture
  const ratio = devicePixelRatio
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio)
    canvas.height = Math.round(height * ratio)
    canvas.style.width = `${width}px`
    canvas.style.height = `${height}px`
  }
  const context = canvas.getContext('2d')!
  context.setTransform(ratio, 0, 0, ratio, 0, 0)
  context.clearRect(0, 0, width, height)
  context.font = '11px system-ui, "Segoe UI", "DejaVu Sans", sans-serif'
  context.textBaseline = 'middle'
  const colors = { error: cssColor('var(--error)'), text: cssColor('var(--text)'), path: cssColor('var(--path)') }
  const first = Math.floor(top / FLAME_ROW)
  const last = Math.min(Math.ceil((top + height) / FLAME_ROW), flame.rows.length)
  for (let index = first; index < last; index++) {
    const row = flame.rows[index]!
    const y = index * FLAME_ROW - top
    const [from, to] = boxesWithin(row, window.from, window.to)
    // Boxes narrower than a pixel that share one are drawn once.
    let reached = -1
    for (let i = from; i < to; i++) {
      const box = row[i]!
      const right = xOf(box.to, window, width)
      if (right < reached && box.errors === 0) continue
      reached = Math.max(Math.floor(xOf(box.from, window, width)) + 1, right - 1)
      drawBox(context, picture, box, y, colors)
    }
  }
}

const xOf = (time: number, { from, to }: Window, width: number): number => ((time - from) / (to - from || 1)) * width

/** Thousands of boxes are of a few services. */
const known = new Map<string, string>()

function colorOf(service: string): string {
  const color = known.get(service) ?? serviceColor(service)
  known.set(service, color)
  return color
}

interface Colors {
  readonly error: string
  readonly text: string
  readonly path: string
}

function drawBox(context: CanvasRenderingContext2D, picture: Picture, box: FlameBox, y: number, colors: Colors): void {
  const { window, width, found, path } = picture
  const left = Math.max(xOf(box.from, window, width), 0)
  const right = Math.min(xOf(box.to, window, width), width)
  const wide = Math.max(right - left - 0.5, 1)
  const pale = found !== undefined && (box.spanId === undefined || !found.has(box.spanId))
  context.globalAlpha = pale ? 0.25 : 1
  context.fillStyle = colorOf(box.service)
  context.fillRect(left, y, wide, BOX)
  if (box.errors > 0) {
    context.fillStyle = colors.error
    context.fillRect(left, y + BOX - 3, wide, 3)
  }
  if (wide >= LETTERS) drawText(context, box.name, left + 4, y + BOX / 2 - 2, wide - 8)
  const segments = box.spanId === undefined ? undefined : path?.get(box.spanId)
  if (segments) {
    context.fillStyle = colors.path
    for (const { start, end } of joinedSegments(segments, window, (window.to - window.from) / width)) {
      const x = xOf(start, window, width)
      context.fillRect(x, y + BOX - 4, Math.max(xOf(end, window, width) - x, 1), 2)
    }
  }
  context.globalAlpha = 1
  if (box === picture.chosen || box === picture.walked || box === picture.hovered) {
    context.strokeStyle = colors.text
    context.lineWidth = box === picture.hovered ? 1 : 2
    context.strokeRect(left + 0.5, y + 0.5, Math.max(wide - 1, 2), BOX - 1)
  }
}

/** Average width of a letter, pixels: measuring each text would cost more than drawing it. */
const LETTER = 6.2

function drawText(context: CanvasRenderingContext2D, text: string, x: number, y: number, room: number): void {
  const letters = Math.floor(room / LETTER)
  if (letters < 2) return
  context.fillStyle = INK
  context.fillText(text.length > letters ? `${text.slice(0, letters - 1)}…` : text, x, y, room)
}

/** The box at a point of the picture, `y` counted from the first row; undefined beside all. */
export function boxAt(flame: Flame, window: Window, width: number, x: number, y: number): FlameBox | undefined {
  const row = flame.rows[Math.floor(y / FLAME_ROW)]
  if (!row) return undefined
  const time = (pixels: number) => window.from + (pixels / width) * (window.to - window.from)
  const [exact] = boxesWithin(row, time(x), time(x))
  // A box is drawn at least a pixel wide.
  const [near, behind] = boxesWithin(row, time(x - 1), time(x))
  return row[exact] && row[exact].from <= time(x) ? row[exact] : near < behind ? row[near] : undefined
}
