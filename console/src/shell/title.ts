/** The title of a page: what tabs, bookmarks and the history are told apart by. */
import { useEffect } from 'preact/hooks'

const NAME = 'Sightline'

/** Shows `title` before the name of the product while the component is there; undefined, or empty, shows the name alone. */
export function useTitle(title?: string): void {
  useEffect(() => {
    document.title = title ? `${title} · ${NAME}` : NAME
  }, [title])
}

/** Tabs and histories have room for some words. */
const MOST = 80

/** Text of any length and shape, such as a query, as a part of a title. */
export function inTitle(text: string): string {
  const line = text.replaceAll(/\s+/g, ' ').trim()
  return line.length > MOST ? `${line.slice(0, MOST)}…` : line
}
