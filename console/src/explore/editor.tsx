/**
 * The query editor. It lives in a shadow root: there CodeMirror's styles are constructed style sheets, which a content
 * security policy without inline styles allows; in the document itself they would be <style> elements.
 */
import {
  acceptCompletion,
  autocompletion,
  type CompletionSource,
  closeBrackets,
  closeBracketsKeymap,
  completionKeymap,
  startCompletion,
} from '@codemirror/autocomplete'
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands'
import { bracketMatching } from '@codemirror/language'
import { Annotation, Compartment, EditorState, Prec } from '@codemirror/state'
import { EditorView, keymap, placeholder, tooltips } from '@codemirror/view'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { EDITOR_KEYS } from '../data/keys.ts'
import { useKeyTable } from '../shell/keys.ts'
import { languageSupport, type QueryLanguage } from './languages.ts'

interface EditorProps {
  readonly language: QueryLanguage
  /**
   * Put into the editor whenever it changes. What is typed goes out by `onChange` and never comes back this way: it would
   * arrive late and undo what was typed meanwhile.
   */
  readonly text: string
  /** Another number puts the text in although it is the same. */
  readonly turn: number
  readonly onChange: (text: string) => void
  readonly onRun: () => void
  readonly complete: CompletionSource
  readonly label: string
  readonly hint: string
}

const theme = EditorView.theme({
  '&': {
    background: 'var(--raised)',
    color: 'var(--text)',
    border: '1px solid var(--line)',
    borderRadius: '6px',
    fontSize: '13px',
  },
  '&.cm-focused': { outline: '2px solid var(--accent)' },
  '.cm-content': { fontFamily: 'var(--mono)', padding: '8px 4px', caretColor: 'var(--text)' },
  '.cm-cursor': { borderLeftColor: 'var(--text)' },
  '.cm-placeholder': { color: 'var(--muted)' },
  '.cm-selectionBackground, &.cm-focused .cm-selectionBackground': {
    background: 'color-mix(in srgb, var(--link) 30%, transparent) !important',
  },
  '.cm-tooltip': {
    background: 'var(--raised)',
    border: '1px solid var(--line)',
    borderRadius: '6px',
    boxShadow: 'var(--shadow)',
  },
  '.cm-tooltip-autocomplete > ul > li[aria-selected]': { background: 'var(--hover)', color: 'var(--text)' },
  '.cm-completionDetail': { color: 'var(--muted)', fontStyle: 'normal', marginLeft: '1em' },
  '.cm-completionInfo': { maxWidth: '380px', padding: '6px 10px' },
})

/** On a change that came from outside. */
const PUT_IN = Annotation.define<boolean>()

export function Editor({ language, text, turn, onChange, onRun, complete, label, hint }: EditorProps) {
  useKeyTable(EDITOR_KEYS)
  const host = useRef<HTMLDivElement>(null)
  const view = useRef<EditorView | undefined>(undefined)
  const current = useRef({ onChange, onRun, complete })
  current.current = { onChange, onRun, complete }

  // Made once per language; the text has its own effect. Both at once: after the next frame they would undo what was typed in it.
  useLayoutEffect(() => {
    const root = host.current?.shadowRoot ?? host.current?.attachShadow({ mode: 'open' })
    if (!root) return undefined
    const run = () => {
      current.current.onRun()
      return true
    }
    const editor = new EditorView({
      root,
      parent: root,
      state: EditorState.create({
        doc: text,
        extensions: [
          Prec.highest(
            keymap.of([
              ...EDITOR_KEYS.keys.flatMap(({ keys, does }) =>
                keys.map((key) => ({ key, run: { run, complete: startCompletion, accept: acceptCompletion }[does] })),
              ),
            ]),
          ),
          history(),
          bracketMatching(),
          closeBrackets(),
          autocompletion({
            override: [(context) => current.current.complete(context)],
            activateOnTyping: true,
            interactionDelay: 0,
            icons: false,
          }),
          keymap.of([...closeBracketsKeymap, ...defaultKeymap, ...historyKeymap, ...completionKeymap]),
          new Compartment().of(languageSupport(language)),
          EditorView.lineWrapping,
          EditorView.contentAttributes.of({ 'aria-label': label }),
          EditorView.updateListener.of((update) => {
            if (!update.docChanged) return
            // Who put a text in knows it, and may have a newer one by now.
            if (!update.transactions.some((tr) => tr.annotation(PUT_IN)))
              current.current.onChange(update.state.doc.toString())
            // Inside quotes nothing would be offered by itself, but that is where values are wanted.
            if (
              update.transactions.some((tr) => tr.isUserEvent('input.type')) &&
              /["`]$/.test(update.state.sliceDoc(0, update.state.selection.main.head))
            )
              startCompletion(update.view)
          }),
          placeholder(hint),
          tooltips({ position: 'fixed' }),
          theme,
        ],
      }),
    })
    view.current = editor
    return () => {
      editor.destroy()
      view.current = undefined
    }
  }, [language])

  useLayoutEffect(() => {
    const editor = view.current
    if (!editor || editor.state.doc.toString() === text) return
    editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: text }, annotations: PUT_IN.of(true) })
  }, [text, turn])

  return <div class="editor" ref={host} data-find />
}
