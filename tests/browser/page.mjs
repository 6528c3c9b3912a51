// A page that remembers everything it should not have done.

import assert from "node:assert/strict";

import { issuer, resource } from "../clients/node/checks.mjs";

const hosts = new Set([issuer, resource].map((url) => new URL(url).host));

/** Opens a page in a context of its own, and watches it. */
export async function openPage(browser, url) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 1600 } });
  const page = await context.newPage();
  const complaints = [];
  const expected = [];

  page.on("console", (message) => {
    if (message.type() !== "error") {
      return;
    }
    const seen = `${message.text()} (${message.location().url})`;
    const index = expected.findIndex(({ status, url }) => seen.includes(`status of ${status} `) && seen.includes(url));
    if (index >= 0) {
      expected.splice(index, 1);
    } else {
      complaints.push(`console: ${seen}`);
    }
  });
  page.on("pageerror", (error) => complaints.push(`script: ${error}`));
  page.on("requestfailed", (request) => complaints.push(`request failed: ${request.url()} ${request.failure()?.errorText}`));
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (!["data:", "blob:"].includes(protocol) && !hosts.has(host)) {
      complaints.push(`request to a third party: ${request.url()}`);
    }
  });
  await context.exposeFunction("reportViolation", (violation) => complaints.push(`policy: ${violation}`));
  await context.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (event) => {
      window.reportViolation(`${event.violatedDirective} ${event.blockedURI}`);
    });
  });

  const response = await page.goto(url, { waitUntil: "networkidle" });
  return {
    page,
    response,
    /** Chromium logs every answer from 400 upwards as an error: this one is meant to come. */
    expectRefusal: (status, url) => expected.push({ status, url: String(url) }),
    /** Fails if there was anything to complain about, or a refusal did not come. */
    assertClean: () => {
      assert.deepEqual(complaints, []);
      assert.deepEqual(expected, []);
    },
    close: () => context.close(),
  };
}
