// Runs checks and prints a line for each. A check is a sentence and the function that proves it.

import assert from "node:assert/strict";

/** What tests/clients/stack.sh tells about the services. */
export const env = (name) => process.env[name] ?? assert.fail(`${name} is not set`);

export const issuer = env("STACK_ISSUER");
export const resource = env("STACK_RESOURCE");
export const password = env("STACK_PASSWORD");
export const documents = new URL(`${resource}/documents`);
export const [reader, editor] = ["the-reader", "the-editor"];

let failed = 0;

/** Runs a check and prints how it went; what it throws does not stop the ones after it. */
export async function check(sentence, prove) {
  try {
    await prove();
    console.log(`  ok       ${sentence}`);
  } catch (error) {
    failed += 1;
    console.log(`  FAILED   ${sentence}`);
    console.log(error);
  }
}

/** How many checks have failed so far. */
export const failures = () => failed;
