/** Colours by the names Grafana's JSON uses, and one colour per service that is the same on every page. */
import { SERVICE_COLORS } from '@sightline/dashboards/colors'

const NAMED: Readonly<Record<string, string>> = {
  green: '#73bf69',
  'super-light-green': '#c8f2c2',
  'light-green': '#96d98d',
  'semi-dark-green': '#56a64b',
  'dark-green': '#37872d',
  yellow: '#fade2a',
  'light-yellow': '#ffee52',
  'super-light-yellow': '#fff899',
  'semi-dark-yellow': '#f2cc0c',
  'dark-yellow': '#e0b400',
  orange: '#ff9830',
  'light-orange': '#ffb357',
  'super-light-orange': '#ffcb7d',
  'semi-dark-orange': '#ff780a',
  'dark-orange': '#fa6400',
  red: '#f2495c',
  'light-red': '#ff7383',
  'super-light-red': '#ffa6b0',
  'semi-dark-red': '#e02f44',
  'dark-red': '#c4162a',
  blue: '#5794f2',
  'light-blue': '#8ab8ff',
  'super-light-blue': '#c0d8ff',
  'semi-dark-blue': '#3274d9',
  'dark-blue': '#1f60c4',
  purple: '#b877d9',
  'light-purple': '#ca95e5',
  'super-light-purple': '#deb6f2',
  'semi-dark-purple': '#a352cc',
  'dark-purple': '#8f3bb8',
  text: 'var(--text)',
  transparent: 'transparent',
}

const PALETTE: readonly string[] = [
  '#73bf69',
  '#f2cc0c',
  '#8ab8ff',
  '#ff780a',
  '#f2495c',
  '#5794f2',
  '#b877d9',
  '#37b5b6',
  '#fade2a',
  '#ff9830',
  '#96d98d',
  '#ca95e5',
  '#ff7383',
  '#56a64b',
  '#3274d9',
  '#e0b400',
]

/** A CSS colour by Grafana's name for it; any other text is taken for one already. */
export const colorByName = (name: string): string => NAMED[name] ?? name

/** The colour of series without one of their own, by their place; begins again when all are used. */
export const paletteColor = (index: number): string => PALETTE[index % PALETTE.length]!

/** The service's own colour, else one that depends on nothing but its name. */
export function serviceColor(service: string): string {
  if (Object.hasOwn(SERVICE_COLORS, service)) return SERVICE_COLORS[service]!
  let hash = 0
  for (const char of service) hash = (hash * 31 + char.charCodeAt(0)) >>> 0
  return paletteColor(hash)
}

/** Colour between `low` and `high` stops of a continuous scheme; `at` is 0..1. */
export function schemeColor(scheme: string, at: number): string {
  const stops = SCHEMES[scheme.toLowerCase()] ?? SCHEMES.oranges!
  const place = Math.min(Math.max(at, 0), 1) * (stops.length - 1)
  const index = Math.min(Math.floor(place), stops.length - 2)
  return mix(stops[index]!, stops[index + 1]!, place - index)
}

/** Dark-to-bright ramps by the scheme names of Grafana's heatmap and `continuous-*` colour modes. */
const SCHEMES: Readonly<Record<string, readonly string[]>> = {
  oranges: ['#4a2207', '#a4450c', '#f2711c', '#fda25b', '#ffe2c6'],
  spectral: ['#3b4fa0', '#4fa5b0', '#b8dba0', '#f7e592', '#f28e52', '#c93a4c'],
  turbo: ['#30328c', '#3e8ff2', '#34d8a4', '#b8e63c', '#f9a431', '#b3200c'],
  blues: ['#0e2a57', '#1f60c4', '#5794f2', '#8ab8ff', '#d6e6ff'],
  greens: ['#12351a', '#2f7a34', '#56a64b', '#96d98d', '#d6f5d0'],
  viridis: ['#440154', '#3b528b', '#21918c', '#5ec962', '#fde725'],
  magma: ['#14103a', '#5b1a7a', '#b5367a', '#fb8761', '#fcfdbf'],
  'continuous-gryleard': ['#73bf69', '#f2cc0c', '#f2495c'],
  'continuous-gryrd': ['#73bf69', '#fade2a', '#f2495c'],
  'continuous-rdylgr': ['#f2495c', '#f2cc0c', '#73bf69'],
  'continuous-blyrd': ['#5794f2', '#fade2a', '#f2495c'],
  'continuous-blpu': ['#5794f2', '#b877d9'],
}

function mix(from: string, to: string, ratio: number): string {
  const a = rgb(from)
  const b = rgb(to)
  return `rgb(${a.map((channel, i) => Math.round(channel + (b[i]! - channel) * ratio)).join(' ')})`
}

function rgb(hex: string): number[] {
  const value = Number.parseInt(hex.slice(1), 16)
  return [value >> 16, (value >> 8) & 255, value & 255]
}

/** `#rrggbb` with an opacity of 0..1, as canvas and CSS take it. */
export function withAlpha(color: string, alpha: number): string {
  if (!/^#[\da-f]{6}$/i.test(color)) return `color-mix(in srgb, ${color} ${Math.round(alpha * 100)}%, transparent)`
  return (
    color +
    Math.round(alpha * 255)
      .toString(16)
      .padStart(2, '0')
  )
}
