/** The tool that says what was noticed of an incident (npm run incident), and nothing of its cause. */
import { readIncidentNote, stateOfIncident } from '@sightline/local/incident'
import { incidents } from '../incident/incidents/index.ts'
import { defineTool } from './tool.ts'

export const incident = defineTool({
  name: 'incident',
  title: 'what was noticed of the incident that runs (npm run incident); never its cause',
  about:
    'The incident that was started with npm run incident: its title, what somebody has noticed, since when, and how an answer is given. Nothing about its cause.',
  example: '',
  parameters: {},
  async run(_, { home }) {
    const note = readIncidentNote(home)
    const found = note && incidents.find(({ name }) => name === note.name)
    if (!note || !found)
      return {
        facts: { incident: null },
        lists: [],
        nothing:
          'No incident runs. Begin one: npm run incident -- start NAME; which there are: npm run incident -- list',
      }
    const facts = {
      incident: found.name,
      title: found.title,
      symptom: found.symptom,
      state: stateOfIncident(home, note),
      started: new Date(note.startedAt).toISOString(),
      ended: note.endedAt === undefined ? null : new Date(note.endedAt).toISOString(),
      // What came before it only misleads.
      look: `since ${Math.max(10, Math.round((Date.now() - note.startedAt) / 1000))}s`,
      answer:
        'npm run incident -- answer --service S --operation O --mechanism M --evidence E; words for M: npm run incident -- list --mechanisms',
    }
    return { facts, lists: [] }
  },
})
