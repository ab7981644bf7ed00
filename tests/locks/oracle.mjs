// What the package managers' own parsers make of a lockfile. stdin: [{kind, folder}], stdout: one JSON value for each.
import { createRequire } from 'node:module'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'

const require = createRequire(new URL('../oracle/package.json', import.meta.url))

const readers = {
  async npm ({ folder }) {
    const Arborist = require('@npmcli/arborist')
    const tree = await new Arborist({ path: folder }).loadVirtual()
    const nodes = {}
    for (const node of tree.inventory.values()) {
      const edges = {}
      for (const edge of node.edgesOut.values()) {
        edges[edge.name] = { to: edge.to ? edge.to.location : null, type: edge.type, spec: edge.spec }
      }
      nodes[node.location] = {
        name: node.packageName,
        version: node.version || null,
        integrity: node.integrity || null,
        resolved: node.resolved || null,
        link: node.isLink,
        target: node.isLink ? node.target.location : null,
        workspace: node.isWorkspace,
        optional: node.optional && !node.devOptional,
        bundled: node.inBundle,
        edges,
      }
    }
    return { nodes }
  },
  async yarn1 ({ folder }) {
    const { parse } = require('@yarnpkg/lockfile')
    return parse(readFileSync(join(folder, 'yarn.lock'), 'utf8')).object
  },
  async yarn4 ({ folder }) {
    const { parseSyml } = require('@yarnpkg/parsers')
    return parseSyml(readFileSync(join(folder, 'yarn.lock'), 'utf8'))
  },
  async pnpm ({ folder }) {
    const old = /^lockfileVersion: '?[56]/m.test(readFileSync(join(folder, 'pnpm-lock.yaml'), 'utf8'))
    const { readWantedLockfile } = require(old ? '@pnpm/lockfile-file' : '@pnpm/lockfile.fs')
    const { nameVerFromPkgSnapshot } = require(old ? '@pnpm/lockfile-utils' : '@pnpm/lockfile.utils')
    const { refToRelative } = require(old ? 'pnpm-dependency-path-2' : '@pnpm/dependency-path')
    const lock = await readWantedLockfile(folder, { ignoreIncompatible: false })
    const packages = {}
    for (const [path, snapshot] of Object.entries(lock.packages ?? {})) {
      const { name, version } = nameVerFromPkgSnapshot(path, snapshot)
      const reached = {}
      for (const [alias, ref] of Object.entries({ ...snapshot.dependencies, ...snapshot.optionalDependencies })) {
        reached[alias] = refToRelative(ref, alias)
      }
      packages[path] = { name, version, integrity: snapshot.resolution.integrity ?? null, optional: snapshot.optional ?? false, reached }
    }
    const importers = {}
    for (const [id, importer] of Object.entries(lock.importers)) {
      const all = { ...importer.devDependencies, ...importer.optionalDependencies, ...importer.dependencies }
      importers[id] = { specifiers: importer.specifiers, reached: {} }
      for (const [alias, ref] of Object.entries(all)) importers[id].reached[alias] = refToRelative(ref, alias)
    }
    return { version: lock.lockfileVersion, packages, importers, overrides: lock.overrides ?? {}, catalogs: lock.catalogs ?? {} }
  },
}

const asked = JSON.parse(readFileSync(0, 'utf8'))
const answers = []
for (const item of asked) answers.push(await readers[item.kind](item))
process.stdout.write(JSON.stringify(answers))
