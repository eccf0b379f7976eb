/** Returns all that a module is given, and the environment of its thread. */
export async function start(args, api) {
  const { input, progress, signal, ...rest } = args;
  return {
    ...rest,
    input,
    env: { ...process.env },
    sameProgress: progress === api.progress,
    sameSignal: signal === api.signal,
    aborted: signal.aborted,
  };
}
