/** Where the script of a file with one trace begins: the file has the data in it. */
import { render } from 'preact'
import './shell/base.css'
import './shell/controls.css'
import './shell/marks.css'
import { DATA_ID, type TraceInFile } from './data/trace-file.ts'
import { TraceInFilePage } from './trace/trace-in-file.tsx'

const found = JSON.parse(document.getElementById(DATA_ID)!.textContent!) as TraceInFile
render(<TraceInFilePage found={found} />, document.getElementById('app')!)
