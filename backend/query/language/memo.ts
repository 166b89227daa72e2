/** What `make` made for a key, made once as long as the key lives. */
export function memo<K extends WeakKey, V>(cache: WeakMap<K, V>, key: K, make: (key: K) => V): V {
  const known = cache.get(key)
  if (known !== undefined) return known
  const made = make(key)
  cache.set(key, made)
  return made
}
