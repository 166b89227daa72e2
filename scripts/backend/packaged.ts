/** What `sightline-backend` of the npm package runs, bundled with everything it needs: pages and boards lie beside it. */
import { join } from 'node:path'
import { runAlone } from './alone.ts'

void runAlone({
  command: 'sightline-backend [--data DIR]',
  root: process.cwd(),
  pages: { dist: join(import.meta.dirname, 'pages'), dashboards: join(import.meta.dirname, 'dashboards') },
})
