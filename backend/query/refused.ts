/** What both engines have and this backend doesn't, with what there is instead. */
export const ONE_PROCESS = 'this is one process without components or rings. /ready says whether it answers'

/** Each path stands for all below it, too. */
export const REFUSED_OF_BOTH: Readonly<Record<string, string>> = {
  '/flush': 'what was answered is on disk. Nothing needs to be flushed',
  '/memberlist': ONE_PROCESS,
  '/distributor': ONE_PROCESS,
}
