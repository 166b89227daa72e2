/** Line icons on a 16 px grid; decoration only: the control around one carries the words. */
const PATHS = {
  clock: 'M8 1.8a6.2 6.2 0 1 0 0 12.400a6.2 6.2 0 1 0 0-12.400M8 4.500V8l2.5 1.5',
  'zoom-out': 'M7 2.500a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9M10.3 10.3 14 14M5 7h4',
  refresh: 'M13.5 8a5.5 5.5 0 1 1-1.6-3.900M13.5 2v3h-3',
  info: 'M8 1.800a6.2 6.2 0 1 0 0 12.400a6.2 6.2 0 1 0 0-12.400M8 7.300V11M8 4.800v.4',
  more: 'M8 3.200v.6M8 7.700v.6M8 12.200v.6',
  search: 'M7 2.500a4.5 4.5 0 1 0 0 9a4.5 4.5 0 1 0 0-9M10.3 10.3 14 14',
  copy: 'M5.5 5.500h8v8h-8zM10.5 5.500v-3h-8v8h3',
  close: 'M3.5 3.500l9 9M12.5 3.500l-9 9',
  'chevron-right': 'M6 3.5 10.5 8 6 12.5',
  'chevron-down': 'M3.5 6 8 10.5 12.5 6',
  sun: 'M8 5a3 3 0 1 0 0 6a3 3 0 1 0 0-6M8 1.200v1.500M8 13.300v1.500M1.2 8h1.500M13.3 8h1.500M3.2 3.200l1 1M11.8 11.800l1 1M3.2 12.800l1-1M11.8 4.200l1-1',
  moon: 'M13.5 9.500A6 6 0 1 1 6.5 2.500a5 5 0 0 0 7 7z',
  auto: 'M8 1.800a6.2 6.2 0 1 0 0 12.400zM8 1.800a6.2 6.2 0 0 1 0 12.4',
  link: 'M6.5 9.500l3-3M7 4.500l1.5-1.500a3 3 0 0 1 4.5 4.500L11.5 9M9 11.5 7.5 13A3 3 0 0 1 3 8.500L4.5 7',
  warning: 'M8 2 15 14H1zM8 6.500v3.500M8 11.800v.4',
  check: 'M2.5 8.5 6.5 12.5 13.5 4',
  up: 'M8 13V3.500M4 7l4-4 4 4',
  down: 'M8 3v9.500M4 9l4 4 4-4',
  help: 'M5.5 5.800a2.5 2.5 0 1 1 3.6 2.200c-.8.4-1.1.9-1.1 1.700M8 12v.4',
  plus: 'M8 3v10M3 8h10',
  minus: 'M3 8h10',
  pause: 'M5.5 3v10M10.5 3v10',
  play: 'M4.5 2.800v10.400L13 8z',
  expand: 'M9.5 2.500h4v4M6.5 13.500h-4v-4M13.5 2.5 9 7M2.5 13.5 7 9',
} as const

export type IconName = keyof typeof PATHS

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path
        d={PATHS[name]}
        fill="none"
        stroke="currentColor"
        stroke-width="1.5"
        stroke-linecap="round"
        stroke-linejoin="round"
      />
    </svg>
  )
}
