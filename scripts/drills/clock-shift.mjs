// Loaded by --import into the one service named by DRILL_CLOCK_SERVICE: at each SIGUSR2 its wall clock jumps an hour ahead,
// then two hours back, then to the right time. Monotonic time goes on, as it does when a machine's clock is set.
const HOUR = 3_600_000
const shifts = [HOUR, -HOUR, 0]

if (process.argv[1]?.endsWith(`${process.env.DRILL_CLOCK_SERVICE}/main.ts`)) {
  const RightDate = Date
  const rightNow = Date.now
  let shift = 0
  let jumps = 0
  const now = () => rightNow() + shift
  RightDate.now = now
  globalThis.Date = new Proxy(RightDate, {
    construct: (target, args, newTarget) => Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
    apply: (target) => new target(now()).toString(),
  })
  process.on('SIGUSR2', () => {
    shift = shifts[jumps++ % shifts.length]
  })
}
