/** JSON schemas for kubeconform: Kubernetes' own as the API server publishes them, and those in the definitions of new kinds. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'

type Tree = Record<string, unknown>

/** One file for each kind, as kubeconform looks them up with `LOCATION`. */
export const LOCATION = '{{.Group}}-{{.ResourceKind}}-{{.ResourceAPIVersion}}.json'

/** `openApi` is what the API server answers to /openapi/v2; `definitions` a folder of CustomResourceDefinitions. */
export function writeSchemas(
  folder: string,
  openApi: { definitions: Record<string, Tree> },
  definitions: string,
): void {
  const known = structuredClone(openApi.definitions)
  // A string by its description, but numbers are taken too.
  for (const name of ['util.intstr.IntOrString', 'api.resource.Quantity']) {
    known[`io.k8s.apimachinery.pkg.${name}`] = { type: ['string', 'number'] }
  }
  for (const schema of Object.values(known)) strict(schema)
  writeFileSync(join(folder, 'definitions.json'), JSON.stringify({ definitions: known }))
  for (const [name, schema] of Object.entries(known)) {
    const kinds = (schema['x-kubernetes-group-version-kind'] ?? []) as {
      group: string
      version: string
      kind: string
    }[]
    for (const { group, version, kind } of kinds) {
      write(group, version, kind, { $ref: `definitions.json#/definitions/${name}` })
    }
  }
  for (const file of readdirSync(definitions)) {
    for (const document of parseAllDocuments(readFileSync(join(definitions, file), 'utf8'))) {
      const { group, names, versions } = document.toJS().spec
      for (const { name, schema } of versions) {
        strict(schema.openAPIV3Schema)
        const { apiVersion, kind, metadata, ...rest } = schema.openAPIV3Schema.properties
        const known = { apiVersion: { type: 'string' }, kind: { type: 'string' }, metadata: { type: 'object' } }
        write(group, name, names.kind, { ...schema.openAPIV3Schema, properties: { ...known, ...rest } })
      }
    }
  }

  function write(group: string, version: string, kind: string, schema: Tree): void {
    // Kinds of no group, Pod and the like, stand under their version.
    const file = `${group || version}-${kind.toLowerCase()}-${version}.json`
    writeFileSync(join(folder, file), JSON.stringify(schema))
  }
}

/** What has properties has no others; what may be a number or a string may be both. */
function strict(schema: unknown): void {
  if (typeof schema !== 'object' || schema === null) return
  const tree = schema as Tree
  if (tree['x-kubernetes-int-or-string']) {
    delete tree.type
    delete tree.format
  }
  const open = tree.additionalProperties !== undefined || tree['x-kubernetes-preserve-unknown-fields']
  if (typeof tree.properties === 'object' && !open) tree.additionalProperties = false
  for (const value of Object.values(tree)) strict(value)
}
