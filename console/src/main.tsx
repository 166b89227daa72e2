import { render } from 'preact'
import './shell/base.css'
import './shell/controls.css'
import './shell/marks.css'
import { App } from './app/app.tsx'
import { applyTheme, storedTheme } from './shell/theme.ts'
import { interceptLinks } from './shell/url.ts'

applyTheme(storedTheme())
interceptLinks()
render(<App />, document.getElementById('app')!)
