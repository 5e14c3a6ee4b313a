/** What work comes to, or undefined once it has taken too long. */
export async function within<T>(patienceMs: number, work: Promise<T>): Promise<T | undefined> {
  let timer: unknown;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, patienceMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer as number);
  }
}
