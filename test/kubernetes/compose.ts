/**
 * deploy/kubernetes as objects, put together as Kustomize does, as far as it is used there: `npm test` has no Kustomize. That both
 * come to the same is shown by kubernetes.cluster.ts. ConfigMaps keep their names, without the hash of what is in them.
 */
import { readFileSync, statSync } from 'node:fs'
import { join, relative } from 'node:path'
import { root } from '@sightline/local/settings'
import { parse, parseAllDocuments } from 'yaml'

/** An object of the API server, and what else is read of it here. */
export interface KubernetesObject {
  kind: string
  metadata: { name: string; labels?: Record<string, string>; namespace?: string; deletionTimestamp?: string }
  // biome-ignore lint/suspicious/noExplicitAny: every kind has another shape
  [field: string]: any
}

interface Target {
  kind?: string
  name?: string
  labelSelector?: string
}
interface Kustomization {
  resources?: string[]
  components?: string[]
  configMapGenerator?: { name: string; files?: string[]; envs?: string[]; literals?: string[]; behavior?: string }[]
  patches?: { path?: string; patch?: string; target: Target }[]
  images?: { name: string; newTag: string }[]
}
interface Step {
  op: 'add' | 'replace' | 'remove'
  path: string
  value?: unknown
}

export const DEPLOY = 'deploy/kubernetes'

/** What lists of a pod are merged by; a list of anything else is replaced. */
const KEYS: Record<string, string> = {
  containers: 'name',
  initContainers: 'name',
  env: 'name',
  volumes: 'name',
  volumeMounts: 'mountPath',
  ports: 'containerPort',
  topologySpreadConstraints: 'topologyKey',
}

/** The objects of a folder with a kustomization.yaml, a path from the project's root. */
export function compose(folder: string): KubernetesObject[] {
  const objects: KubernetesObject[] = []
  apply(folder, objects)
  return objects
}

/** Every file that a folder's kustomization.yaml, or one it leads to, makes a ConfigMap of. */
export function configurationFiles(folder: string): string[] {
  const { resources = [], components = [], configMapGenerator = [] } = kustomization(folder)
  const own = configMapGenerator.flatMap(({ files = [], envs = [] }) => [...files.map(pathOf), ...envs])
  const deeper = [...resources, ...components].map((path) => within(folder, path)).filter(isFolder)
  return [...own.map((path) => within(folder, path)), ...deeper.flatMap(configurationFiles)]
}

function apply(folder: string, objects: KubernetesObject[]): void {
  const { resources = [], components = [], configMapGenerator = [], patches = [], images = [] } = kustomization(folder)
  for (const path of resources.map((path) => within(folder, path))) {
    if (isFolder(path)) apply(path, objects)
    else for (const document of parseAllDocuments(read(path), { merge: true })) objects.push(document.toJS())
  }
  for (const made of configMapGenerator) {
    const data = Object.fromEntries([
      ...(made.files ?? []).map((file) => [keyOf(file), read(within(folder, pathOf(file)))]),
      ...(made.envs ?? []).flatMap((file) => assignments(read(within(folder, file)).split('\n'))),
      ...assignments(made.literals ?? []),
    ])
    const there = objects.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === made.name)
    if (there === undefined) objects.push({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: made.name }, data })
    else there.data = made.behavior === 'replace' ? data : { ...there.data, ...data }
  }
  for (const path of components) apply(within(folder, path), objects)
  for (const { path, patch, target } of patches) {
    const content = parse(patch ?? read(within(folder, path!)), { merge: true })
    const chosen = objects.filter((object) => isTarget(object, target))
    if (chosen.length === 0) throw new Error(`${folder}: no object for the patch ${path ?? JSON.stringify(target)}`)
    for (const object of chosen) {
      if (Array.isArray(content)) for (const step of content) change(object, structuredClone(step) as Step)
      else {
        const { apiVersion, kind, metadata, ...rest } = structuredClone(content)
        merge(object, rest)
      }
    }
  }
  for (const { name, newTag } of images) {
    for (const container of objects.flatMap(containersOf)) if (container.image === name) container.image += `:${newTag}`
  }
}

/** A container of a pod. */
export interface Container {
  name: string
  image: string
  env?: { name: string; value?: string }[]
  ports?: { name: string; containerPort: number }[]
  volumeMounts?: { name: string; mountPath: string; subPath?: string }[]
  // biome-ignore lint/suspicious/noExplicitAny: and what only one check reads
  [field: string]: any
}

export function containersOf(object: KubernetesObject): Container[] {
  const { initContainers = [], containers = [] } = podOf(object)?.spec ?? {}
  return [...initContainers, ...containers]
}

/** The template of the pods that an object makes by itself, not by an operator. */
export function podOf(object: KubernetesObject): KubernetesObject | undefined {
  return ['Deployment', 'StatefulSet', 'Job'].includes(object.kind) ? object.spec.template : undefined
}

function isTarget({ kind, metadata }: KubernetesObject, target: Target): boolean {
  if (target.kind && !new RegExp(`^(${target.kind})$`).test(kind)) return false
  if (target.name && target.name !== metadata.name) return false
  const [, key, values] = /^([\w/.-]+)(?:=| in )\(?([^)]*)\)?$/.exec(target.labelSelector ?? '') ?? []
  return key === undefined || values!.split(/, */).includes(metadata.labels?.[key] ?? '')
}

type Tree = Record<string, unknown>

function merge(into: Tree, from: Tree): void {
  for (const [name, value] of Object.entries(from)) {
    const there = into[name]
    const key = KEYS[name]
    if (key !== undefined && Array.isArray(value) && Array.isArray(there)) {
      for (const item of value as Tree[]) {
        const same = (there as Tree[]).find((other) => other[key] === item[key])
        if (same) merge(same, item)
        else there.push(item)
      }
    } else if (isTree(value) && isTree(there)) merge(there, value)
    else into[name] = value
  }
}

const isTree = (value: unknown): value is Tree => typeof value === 'object' && value !== null && !Array.isArray(value)

function change(object: KubernetesObject, { op, path, value }: Step): void {
  const steps = path.split('/').slice(1)
  const last = steps.pop()!
  const place = steps.reduce<unknown>((at, step) => (at as Tree)[step], object)
  if (Array.isArray(place) && last === '-') place.push(value)
  else if (op === 'remove') delete (place as Tree)[last]
  else (place as Tree)[last] = value
}

function assignments(lines: string[]): [name: string, value: string][] {
  const told = lines.filter((line) => line !== '' && !line.startsWith('#'))
  return told.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)])
}

const read = (path: string) => readFileSync(join(root, path), 'utf8')
const kustomization = (folder: string) => parse(read(`${folder}/kustomization.yaml`)) as Kustomization
const within = (folder: string, path: string) => relative(root, join(root, folder, path))
const isFolder = (path: string) => statSync(join(root, path)).isDirectory()
/** `key=path`, or a path whose last part is the key. */
const pathOf = (file: string) => file.slice(file.indexOf('=') + 1)
const keyOf = (file: string) => (file.includes('=') ? file.slice(0, file.indexOf('=')) : file.split('/').at(-1)!)
