// Swagger UI, as a person uses it: by what is written on its buttons.

import assert from "node:assert/strict";

/** Opens the Authorize dialog and finds the password flow of the scheme `OAuth2` in it. */
async function dialog(page) {
  await page.locator(".auth-wrapper .authorize").first().click();
  const flow = page.locator(".auth-container").filter({ hasText: "OAuth2" }).filter({ hasText: "password" });
  await flow.waitFor();
  return flow;
}

async function fill(flow, { username, password, location, clientId, scopes }) {
  await flow.locator("#oauth_username").fill(username);
  await flow.locator("#oauth_password").fill(password);
  if (location !== undefined) {
    await flow.locator("#password_type").selectOption(location);
  }
  if (clientId !== undefined) {
    await flow.locator('input[data-name="clientId"]').fill(clientId);
  }
  await flow.getByText("select all", { exact: true }).click();
  const boxes = flow.locator('.scopes input[type="checkbox"]');
  const offered = await boxes.evaluateAll((inputs) => inputs.map((input) => input.dataset.value));
  assert.deepEqual(offered.sort(), scopes);
  assert.equal(await boxes.and(flow.locator(":checked")).count(), scopes.length);
  await flow.getByRole("button", { name: "Apply given OAuth2 credentials" }).click();
}

/** Logs in through the dialog, with every scope it offers, and closes it. */
export async function authorize(page, login) {
  const flow = await dialog(page);
  await fill(flow, login);
  await flow.getByRole("button", { name: "Remove authorization" }).waitFor();
  await page.locator(".modal-ux .close-modal").click();
}

/** Tries to log in, and returns what the dialog says about it. */
export async function refusedLogin(page, login) {
  const flow = await dialog(page);
  await fill(flow, login);
  const errors = flow.locator(".errors");
  await errors.waitFor();
  const text = await errors.innerText();
  await page.locator(".modal-ux .close-modal").click();
  return text;
}

/** Executes an operation and returns the status and everything else that is shown of the answer. */
export async function execute(page, method, path, body) {
  const block = page.locator(`.opblock-${method}`).filter({ has: page.locator(`[data-path="${path}"]`) });
  await block.locator(".opblock-summary-control").click();
  await block.getByRole("button", { name: "Try it out" }).click();
  if (body !== undefined) {
    await block.locator("textarea.body-param__text").fill(JSON.stringify(body));
  }
  await block.getByRole("button", { name: "Execute" }).click();
  const answer = block.locator("table.live-responses-table");
  await answer.waitFor();
  const status = await answer.locator("tbody .response-col_status").first().innerText();
  const shown = await answer.innerText();
  await block.locator(".opblock-summary-control").click();
  return { status: Number.parseInt(status, 10), shown };
}
