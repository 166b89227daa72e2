/** The title of a page: what tabs, bookmarks and the history are told apart by. */
import { useEffect } from 'preact/hooks'

const NAME = 'Sightline'

/** Shows `title` before the name of the product while the component is there; undefined, or empty, shows the name alone. */
export function useTitle(title?: string): void {
  useEffect(() => {
    document.title = title ? `${title} · ${NAME}` : NAME
  }, [title])
}
