// The checks of Swagger UI, against the services that tests/clients/stack.sh has started.
//
// usage:  tests/browser/run

import assert from "node:assert/strict";
import { join } from "node:path";
import { env, exit } from "node:process";

import { chromium } from "playwright-core";

import { check, documents, editor, failures, issuer, password, reader, resource } from "../clients/node/checks.mjs";
import { openPage } from "./page.mjs";
import { authorize, execute, refusedLogin } from "./swagger_ui.mjs";

const tokenEndpoint = `${issuer}/oauth2/token`;
const documentScopes = ["documents:admin", "documents:read", "documents:write"];
const issuerScopes = ["account", "admin:audit", "admin:clients", "admin:keys", "admin:users"];

const flags = ["quic", "background-networking", "component-update", "sync"].map((name) => `--disable-${name}`);
const browser = await chromium.launch({ executablePath: env.BROWSER_PROGRAM, args: ["--no-first-run", ...flags] });

let pictures = 0;

/** A check on a service's /docs, which must have been clean at the end; if it fails, a picture is kept. */
async function checkDocs(service, sentence, prove) {
  await check(sentence, async () => {
    const opened = await openPage(browser, `${service}/docs`);
    try {
      await prove(opened.page, opened);
      opened.assertClean();
    } catch (error) {
      pictures += 1;
      const path = join(env.BROWSER_PICTURES, `${pictures}.png`);
      await opened.page.screenshot({ path, fullPage: true });
      console.log(`  picture  ${path}`);
      throw error;
    } finally {
      await opened.close();
    }
  });
}

const services = [["auth-service", issuer, issuerScopes], ["resource-service", resource, documentScopes]];
for (const [name, service, scopes] of services) {
  const silent = `${name}: /docs opens under its content security policy, without a word from the console`;
  await checkDocs(service, silent, async (page, { response }) => {
    assert.equal(response.status(), 200);
    assert.ok(response.headers()["content-security-policy"], "there is no policy");
    await page.locator(".opblock").first().waitFor();
    assert.equal(await page.locator(".errors-wrapper").count(), 0, "Swagger UI found errors in the document");
  });

  const told = `${name}: a wrong password is told in the dialog as invalid_grant`;
  await checkDocs(service, told, async (page, { expectRefusal }) => {
    expectRefusal(400, tokenEndpoint);
    const text = await refusedLogin(page, { username: reader, password: "not the password", scopes });
    assert.ok(text.includes("invalid_grant"), text);
  });
}

const unauthorized = "auth-service: without Authorize GET /account answers 401";
await checkDocs(issuer, unauthorized, async (page, { expectRefusal }) => {
  expectRefusal(401, `${issuer}/account`);
  assert.equal((await execute(page, "get", "/account")).status, 401);
});

await checkDocs(issuer, "auth-service: Authorize as a reader, and GET /account answers 200", async (page) => {
  await authorize(page, { username: reader, password, scopes: issuerScopes });
  const { status, shown } = await execute(page, "get", "/account");
  assert.equal(status, 200);
  assert.ok(shown.includes(reader), shown);
});

const writes = "resource-service: Authorize as an editor, GET /documents answers 200 and POST 201";
await checkDocs(resource, writes, async (page) => {
  await authorize(page, { username: editor, password, scopes: documentScopes });
  const created = await execute(page, "post", "/documents", { title: "From a browser", content: "Grüße" });
  assert.equal(created.status, 201, created.shown);
  const listed = await execute(page, "get", "/documents");
  assert.equal(listed.status, 200);
  assert.ok(listed.shown.includes("From a browser"), listed.shown);
});

const reads = "resource-service: as a reader GET /documents answers 200 and POST 403 insufficient_scope";
await checkDocs(resource, reads, async (page, { expectRefusal }) => {
  await authorize(page, { username: reader, password, scopes: documentScopes });
  assert.equal((await execute(page, "get", "/documents")).status, 200);
  expectRefusal(403, documents);
  const { status, shown } = await execute(page, "post", "/documents", { title: "No", content: "" });
  assert.equal(status, 403);
  assert.ok(shown.includes("insufficient_scope"), shown);
});

for (const [location, where] of [["basic", "in the Authorization header"], ["request-body", "in the body"]]) {
  await checkDocs(resource, `resource-service: Authorize with the client's name ${where} works as well`, async (page) => {
    await authorize(page, { username: editor, password, location, clientId: "first-party", scopes: documentScopes });
    assert.equal((await execute(page, "get", "/documents")).status, 200);
  });
}

await browser.close();
exit(failures() === 0 ? 0 : 1);
