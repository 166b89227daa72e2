/** The numbers that stat, gauge and bar gauge show: one per series, or one per row of a table. */
import { valueColor, valueText } from '../data/field-config.ts'
import { displayName, type Field, type Frame, numberFields, rowCount } from '../data/frame.ts'
import { cellLinks, type ReadyLink } from '../data/links.ts'
import { reduceValues } from '../data/reduce.ts'
import type { PanelProps, ReduceOptions } from './props.ts'

export interface DisplayValue {
  readonly name: string
  readonly value: number | null
  readonly text: string
  readonly color: string
  readonly field: Field
  /** Where a click leads. */
  readonly link: ReadyLink | undefined
}

/** In the order of the frames; `reduceOptions` of the panel say which calculation, or whether every row counts. */
export function displayValues({ panel, data }: Pick<PanelProps, 'panel' | 'data'>): DisplayValue[] {
  const reduce = (panel.options?.reduceOptions ?? {}) as ReduceOptions
  const calculation = reduce.calcs?.[0] ?? 'lastNotNull'
  const linkOf = (field: Field, frame: Frame, row: number) => cellLinks(field, frame, row, data.variables)[0]
  return data.frames.flatMap((frame) => {
    const fields = numberFields(frame)
    if (!reduce.values)
      return fields.map((field) => {
        const row = field.values.findLastIndex((value) => value !== null)
        return display(
          displayName(field, frame),
          reduceValues(field.values, calculation),
          field,
          linkOf(field, frame, row),
        )
      })
    const name = frame.fields.find((field) => field.type === 'string')
    return fields.flatMap((field) =>
      Array.from({ length: rowCount(frame) }, (_, row) =>
        display(
          String(name?.values[row] ?? displayName(field, frame)),
          (field.values[row] as number | null) ?? null,
          field,
          linkOf(field, frame, row),
        ),
      ),
    )
  })
}

const display = (name: string, value: number | null, field: Field, link: ReadyLink | undefined): DisplayValue => ({
  name,
  value,
  text: valueText(field.config, value),
  color: valueColor(field.config, value),
  field,
  link,
})
