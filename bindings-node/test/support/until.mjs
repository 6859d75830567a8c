/** Waits until `check` returns something truthy, and returns that. */
export async function until(check, what, within = 30_000) {
  const end = Date.now() + within;
  for (;;) {
    const found = await check();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${within} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
