import { defineConfig } from 'vite'

export default defineConfig({
  root: import.meta.dirname,
  logLevel: 'warn',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2023',
    // Inlined assets would be data: URLs, which the content security policy doesn't allow for styles and scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    // What took long on a busy machine is nothing to warn of.
    rolldownOptions: { checks: { pluginTimings: false } },
  },
})
