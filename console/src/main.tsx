import { render } from 'preact'
import './shell/base.css'
import './shell/controls.css'
import './dashboards/dashboard.css'
import './panels/panels.css'
import './trace/trace.css'
import './map/map.css'
import './explore/explore.css'
import './audit/audit.css'
import { App } from './app/app.tsx'
import { applyTheme, storedTheme } from './shell/theme.ts'
import { interceptLinks } from './shell/url.ts'

applyTheme(storedTheme())
interceptLinks()
render(<App />, document.getElementById('app')!)
