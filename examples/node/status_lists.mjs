// The issuer's lists of revoked tokens (draft-ietf-oauth-status-list).

import { inflateSync } from "node:zlib";

import { Refusal } from "./refusal.mjs";

const MAX_LIST = 4 * 1024 * 1024;

export class StatusLists {
  // `verify` checks a JWT of the issuer and returns its claims.
  constructor(issuer, verify) {
    this.issuer = issuer;
    this.verify = verify;
    this.lists = new Map();
  }

  // Whether the place that a status claim names is set.
  async isRevoked({ status_list: { idx, uri } = {} }) {
    let list = this.lists.get(uri);
    if (!list || list.until < Date.now()) {
      list = await this.fetch(uri).catch(() => {
        throw Refusal.unavailable();
      });
      this.lists.set(uri, list);
    }
    const perByte = 8 / list.bits;
    const byte = list.statuses[Math.floor(idx / perByte)];
    if (byte === undefined) throw Refusal.unavailable();
    return ((byte >> ((idx % perByte) * list.bits)) & ((1 << list.bits) - 1)) !== 0;
  }

  async fetch(uri) {
    // Nobody but the issuer is asked, and no redirect followed.
    if (new URL(uri).origin !== new URL(this.issuer).origin) throw new Error("that is not a URL of the issuer");
    const answer = await fetch(uri, { redirect: "error", signal: AbortSignal.timeout(5000) });
    const text = await answer.text();
    if (!answer.ok || text.length > MAX_LIST) throw new Error("the issuer's answer is not acceptable");
    const claims = await this.verify(text.trim(), { subject: uri, typ: "statuslist+jwt", requiredClaims: ["exp"] });
    const { bits, lst } = claims.status_list;
    const statuses = inflateSync(Buffer.from(lst, "base64url"), { maxOutputLength: MAX_LIST });
    return { bits, statuses, until: Date.now() + (claims.ttl ?? 60) * 1000 };
  }
}
