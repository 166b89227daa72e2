/** Figures and tables of plain text, for commands. */

/** `1,234`, `12.3`, `0.0123`: three digits where there is a fraction. */
export function figure(value: number): string {
  // What floating point leaves of nothing.
  if (Math.abs(value) < 1e-6) return '0'
  return Math.abs(value) >= 100 ? Math.round(value).toLocaleString('en') : Number(value.toPrecision(3)).toString()
}

/** The first column to the left, the others to the right. */
export const table = (rows: readonly (readonly string[])[]): string =>
  laidOut(rows, (cell, width, column) => (column === 0 ? cell.padEnd(width) : cell.padStart(width)))

/** All columns to the left. */
export const left = (rows: readonly (readonly string[])[]): string => laidOut(rows, (cell, width) => cell.padEnd(width))

function laidOut(
  rows: readonly (readonly string[])[],
  pad: (cell: string, width: number, column: number) => string,
): string {
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const line = (row: readonly string[]) => row.map((cell, column) => pad(cell, widths[column]!, column)).join('  ')
  return rows.map((row) => line(row).trimEnd()).join('\n')
}
