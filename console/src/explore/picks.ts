/** Two traces are compared, so a third tick takes the place of the older one. */
const MOST = 2

/** The ticks after one on `id`, or off it; the older one first. */
export const picked = (picks: readonly string[], id: string): string[] =>
  picks.includes(id) ? picks.filter((one) => one !== id) : [...picks, id].slice(-MOST)
