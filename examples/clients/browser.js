/** Follows a subscription, each result once, however often the connection is lost; resolves when it is complete. */
export async function follow(url, { query, variables }, handle, headers = {}) {
  for (
    let place = null;
    ;
    await new Promise((resolve) => setTimeout(resolve, 1_000 + Math.random() * 2_000))
  ) {
    const response = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'text/event-stream',
        ...headers,
        ...(place && { 'last-event-id': place }),
      },
      body: JSON.stringify({ query, variables }),
    }).catch(() => null);
    // Not reached, going down, or too many requests: later. Any other refusal will not change by itself.
    if (response === null || response.status === 429 || response.status >= 500) continue;
    if (!response.ok) throw new Error(await response.text());
    for await (const { event, id, data } of events(response.body)) {
      if (event === 'complete') return;
      const result = JSON.parse(data);
      if (result.errors) throw new Error(result.errors[0].message);
      handle(result.data);
      place = id ?? place;
    }
  }
}

/** The events of a stream; comments, which keep it open, are left out. */
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (let text = ''; ; ) {
      // A connection that is lost ends like one that was closed: without `complete`.
      const { done, value } = await reader.read().catch(() => ({ done: true }));
      if (done) return;
      const blocks = (text + value).split('\n\n');
      text = blocks.pop();
      for (const block of blocks) {
        const fields = block.split('\n').map((line) => line.split(/: ?(.*)/s));
        const event = Object.fromEntries(fields.filter(([name]) => name !== ''));
        if (event.event) yield event;
      }
    }
  } finally {
    // Also where nobody wants more of it.
    await reader.cancel().catch(() => {});
  }
}
