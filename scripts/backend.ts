/** `npm run backend`: the telemetry backend and its console alone, from the sources (backend/alone.ts). */
import { sourcePages } from '@sightline/backend/pages'
import { root } from '@sightline/local/settings'
import { runAlone } from './backend/alone.ts'

await runAlone({ command: 'npm run backend [-- --data DIR]', root, pages: sourcePages() })
