/** What the server tells the pages of itself: a `<meta>` in the page that is sent. */
import { type StaticFile, toStaticFile } from './static-files.ts'

export function withMeta(page: StaticFile, name: string, content: string): Promise<StaticFile> {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;')
  const meta = `<meta name="${name}" content="${escaped}" />`
  return toStaticFile(page.type, Buffer.from(page.plain.toString().replace('</head>', () => `${meta}</head>`)))
}
