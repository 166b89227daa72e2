/**
 * A span while it is written, and what exporters read once it has ended. It means what the SDK's does (sdk-trace 3.0.0; the
 * test beside it drives both with the same calls) and costs less: plain values are looked at once, where the SDK's copies all
 * twice at the start, and nothing is made that nobody reads. What is rare goes through the SDK's own functions.
 */
import {
  type Attributes,
  type AttributeValue,
  diag,
  type Exception,
  type HrTime,
  type Link,
  type Span,
  type SpanContext,
  type SpanKind,
  type SpanStatus,
  SpanStatusCode,
  type TimeInput,
} from '@opentelemetry/api'
import {
  AddAttributeDecision,
  addHrTimes,
  cleanAttributes,
  cleanSimpleAttributes,
  hrTime,
  hrTimeDuration,
  type InstrumentationScope,
  isTimeInput,
  isTimeInputHrTime,
  maybeAddAttribute,
  millisToHrTime,
} from '@opentelemetry/core'
import type { Resource } from '@opentelemetry/resources'
import type { ReadableSpan, SpanLimits, SpanProcessor } from '@opentelemetry/sdk-trace'
import {
  ATTR_EXCEPTION_MESSAGE,
  ATTR_EXCEPTION_STACKTRACE,
  ATTR_EXCEPTION_TYPE,
} from '@opentelemetry/semantic-conventions'
import { wallClock } from '../clock.ts'

/** What all spans of a tracer have in common. */
export interface SpanSettings {
  readonly resource: Resource
  readonly scope: InstrumentationScope
  readonly limits: Required<SpanLimits>
  readonly processor: SpanProcessor
}

/** What is known of a span before it begins. */
export interface SpanStart {
  readonly name: string
  readonly kind: SpanKind
  readonly spanContext: SpanContext
  readonly parentSpanContext: SpanContext | undefined
  readonly attributes: Attributes | undefined
  readonly links: readonly Link[] | undefined
  readonly startTime: TimeInput | undefined
}

const NOT_ENDED: HrTime = [0, 0]
const UNSET: SpanStatus = { code: SpanStatusCode.UNSET }

/** Times given to it are epoch milliseconds, a Date, an HrTime or a reading of `performance.now()`. */
export class RecordingSpan implements Span, ReadableSpan {
  name: string
  readonly kind: SpanKind
  readonly parentSpanContext?: SpanContext
  readonly attributes: Attributes = {}
  readonly links: Link[] = []
  readonly events: ReadableSpan['events'] = []
  readonly startTime: HrTime
  endTime = NOT_ENDED
  status = UNSET
  ended = false
  droppedAttributesCount = 0
  droppedEventsCount = 0
  droppedLinksCount = 0
  private readonly context: SpanContext
  private readonly settings: SpanSettings
  /** `performance.now()` at the start; undefined when the start was given, and then times are the wall clock's. */
  private readonly began: number | undefined
  private attributesCount = 0

  constructor(start: SpanStart, settings: SpanSettings) {
    this.settings = settings
    this.context = start.spanContext
    this.name = start.name
    this.kind = start.kind
    if (start.parentSpanContext) this.parentSpanContext = start.parentSpanContext
    if (start.startTime === undefined) {
      this.began = performance.now()
      this.startTime = millisToHrTime(wallClock(performance.timeOrigin + this.began))
    } else {
      this.startTime = this.timeOf(start.startTime)
    }
    if (start.attributes) this.addFirst(start.attributes)
    if (start.links) this.addLinks([...start.links])
  }

  get resource(): Resource {
    return this.settings.resource
  }

  get instrumentationScope(): InstrumentationScope {
    return this.settings.scope
  }

  get duration(): HrTime {
    return this.ended ? hrTimeDuration(this.startTime, this.endTime) : [-1, -1]
  }

  spanContext(): SpanContext {
    return this.context
  }

  isRecording(): boolean {
    return !this.ended
  }

  setAttribute(key: string, value: AttributeValue): this {
    if (this.isOpen()) this.add(key, value)
    return this
  }

  setAttributes(attributes: Attributes): this {
    if (!this.isOpen()) return this
    for (const key in attributes) if (Object.hasOwn(attributes, key)) this.add(key, attributes[key])
    return this
  }

  addEvent(name: string, attributesOrTime?: Attributes | TimeInput, time?: TimeInput): this {
    if (!this.isOpen()) return this
    const { eventCountLimit, attributePerEventCountLimit, attributeValueLengthLimit } = this.settings.limits
    if (this.events.length >= eventCountLimit) {
      this.events.shift()
      this.droppedEventsCount++
    }
    if (eventCountLimit === 0) return this
    const hasAttributes = !isTimeInput(attributesOrTime)
    const limits = { attributeCountLimit: attributePerEventCountLimit, attributeValueLengthLimit }
    this.events.push({
      name,
      time: this.timeOf(hasAttributes || isTimeInput(time) ? time : attributesOrTime),
      ...(hasAttributes && (plainCopy(attributesOrTime, limits) ?? cleanSimpleAttributes(attributesOrTime, limits))),
    })
    return this
  }

  addLink({ context, attributes }: Link): this {
    if (!this.isOpen()) return this
    const { linkCountLimit, attributePerLinkCountLimit, attributeValueLengthLimit } = this.settings.limits
    if (this.links.length >= linkCountLimit) {
      this.links.shift()
      this.droppedLinksCount++
    }
    if (linkCountLimit === 0) return this
    const limits = { attributeCountLimit: attributePerLinkCountLimit, attributeValueLengthLimit }
    this.links.push({ context, ...cleanAttributes(attributes, limits) })
    return this
  }

  addLinks(links: readonly Link[]): this {
    for (const link of links) this.addLink(link)
    return this
  }

  setStatus({ code, message }: SpanStatus): this {
    if (!this.isOpen() || code === SpanStatusCode.UNSET || this.status.code === SpanStatusCode.OK) return this
    // Only errors have a message.
    const isText = code === SpanStatusCode.ERROR && typeof message === 'string'
    this.status = isText ? { code, message } : { code }
    return this
  }

  updateName(name: string): this {
    if (this.isOpen()) this.name = name
    return this
  }

  recordException(exception: Exception, time?: TimeInput): void {
    const said: Exception = typeof exception === 'string' ? { message: exception } : (exception ?? {})
    const { code, name, message, stack } = said as { code?: unknown; name?: string; message?: string; stack?: string }
    const attributes = {
      ...(code ? { [ATTR_EXCEPTION_TYPE]: String(code) } : name ? { [ATTR_EXCEPTION_TYPE]: name } : {}),
      ...(message ? { [ATTR_EXCEPTION_MESSAGE]: message } : {}),
      ...(stack ? { [ATTR_EXCEPTION_STACKTRACE]: stack } : {}),
    }
    if (code || name || message) this.addEvent('exception', attributes, time)
    else diag.warn(`Failed to record an exception ${exception}`)
  }

  end(time?: TimeInput): void {
    if (!this.isOpen()) return
    this.endTime = this.timeOf(time)
    if (hrTimeDuration(this.startTime, this.endTime)[0] < 0) {
      diag.warn(`${this.name} ends before it starts: its duration is set to 0`)
      this.endTime = [...this.startTime]
    }
    const { droppedAttributesCount: attributes, droppedEventsCount: events, droppedLinksCount: links } = this
    if (attributes + events + links > 0)
      diag.warn(`${this.name}: dropped ${attributes} attributes, ${events} events and ${links} links (OTEL_*_LIMIT)`)
    this.ended = true
    this.settings.processor.onEnd(this)
  }

  private isOpen(): boolean {
    if (this.ended) diag.warn(`${this.name} (span ${this.context.spanId}) has ended: what is added is lost`)
    return !this.ended
  }

  private add(key: string, value: AttributeValue | undefined): AddAttributeDecision {
    const { limits } = this.settings
    const { attributes, attributesCount } = this
    const isKnown = Object.hasOwn(attributes, key)
    if ((isKnown || attributesCount < limits.attributeCountLimit) && isPlain(key, value, limits)) {
      attributes[key] = value
      if (isKnown) return AddAttributeDecision.ADD_OVERWRITE_EXISTING
      this.attributesCount++
      return AddAttributeDecision.ADD_NEW
    }
    const decision = maybeAddAttribute({ key, value, attributes, limits, currentAttributesCount: attributesCount })
    if (decision === AddAttributeDecision.ADD_NEW) this.attributesCount++
    if (decision === AddAttributeDecision.DROP_LIMIT_REACHED) this.droppedAttributesCount++
    return decision
  }

  /** The attributes of the start: what can be none counts as dropped, other than later. */
  private addFirst(given: Attributes): void {
    for (const key in given) {
      const value = given[key]
      if (value === undefined || !Object.hasOwn(given, key)) continue
      if (this.add(key, value) === AddAttributeDecision.DROP_INVALID) this.droppedAttributesCount++
    }
  }

  private timeOf(time: TimeInput | undefined): HrTime {
    if (typeof time === 'number') {
      const now = performance.now()
      if (time > now) return millisToHrTime(time)
      return hrTime(time + (Date.now() - (now + performance.timeOrigin)))
    }
    if (time instanceof Date) return millisToHrTime(time.getTime())
    if (isTimeInputHrTime(time)) return time
    if (this.began === undefined) return millisToHrTime(Date.now())
    return addHrTimes(this.startTime, millisToHrTime(performance.now() - this.began))
  }
}

type AttributeLimits = Pick<Required<SpanLimits>, 'attributeCountLimit' | 'attributeValueLengthLimit'>

/** What `cleanSimpleAttributes` makes of attributes that can all be taken as they are; undefined of others. */
function plainCopy(given: Attributes | undefined, limits: AttributeLimits) {
  if (typeof given !== 'object' || given === null) return undefined
  const attributes: Attributes = {}
  let count = 0
  for (const key in given) {
    if (!Object.hasOwn(given, key)) continue
    const value = given[key]
    if (++count > limits.attributeCountLimit || !isPlain(key, value, limits)) return undefined
    attributes[key] = value
  }
  return { attributes, droppedAttributesCount: 0 }
}

/** Whether an attribute can be taken as it is; true for nearly all. */
function isPlain(key: string, value: unknown, limits: AttributeLimits): value is string | number | boolean {
  if (key === '') return false
  if (typeof value === 'string') return value.length <= limits.attributeValueLengthLimit
  return typeof value === 'number' || typeof value === 'boolean'
}
