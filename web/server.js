// SPDX-License-Identifier: Apache-2.0
//
// server.js: gantry up's API: questions, and streams of a JSON object a line. See docs/supervision.md.

export class Refusal extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

// A name as a part of an address: any text, also one that is no Unicode.
export function escaped(name) {
  return encodeURIComponent(name.toWellFormed());
}

export function pathOf(name, action) {
  return "/v1/plugins/" + escaped(name) + (action ? "/" + action : "");
}

async function answered(response) {
  if (response.ok) return response;
  const answer = await response.json().catch(() => ({}));
  throw new Refusal(response.status, answer.message ?? "gantry up answered with status " + response.status);
}

export async function ask(path, method = "GET") {
  return (await answered(await fetch(path, { method, redirect: "error" }))).json();
}

// The values of a line that was read; one that is no JSON is left out.
function* values(lines) {
  for (const line of lines) {
    if (line === "") continue;
    try {
      yield JSON.parse(line);
    } catch {
      continue;
    }
  }
}

async function read(response, take) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    const taken = [...values(lines)];
    if (taken.length > 0) take(taken);
  }
}

const FIRST_PAUSE = 250, LONGEST_PAUSE = 5000; // milliseconds

// Reads a stream for as long as its signal lets it, and begins anew where it breaks off, unless it is refused. `begin`
// is called with each beginning, `take` with the values that came together, `fail` with what broke it off.
export async function follow(path, signal, { begin, take, fail }) {
  let pause = FIRST_PAUSE;
  while (!signal.aborted) {
    try {
      const response = await answered(await fetch(path, { signal, redirect: "error" }));
      pause = FIRST_PAUSE;
      begin();
      await read(response, take);
      fail(new Error("gantry up has ended the connection"));
    } catch (error) {
      if (signal.aborted) return;
      fail(error);
      if (error instanceof Refusal && error.status < 500) return;
    }
    await new Promise((resolve) => setTimeout(resolve, pause));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}
