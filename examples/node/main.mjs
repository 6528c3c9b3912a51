// An API of orders, guarded with access tokens of the issuer. ISSUER is whom it trusts, AUDIENCE who it is, LISTEN where
// it listens. See README.md.

import { createServer } from "node:http";

import { Guard } from "./guard.mjs";
import { Refusal } from "./refusal.mjs";

const setting = (name, otherwise) => process.env[name] ?? otherwise;
const guard = new Guard(setting("ISSUER", "http://localhost:8080"), setting("AUDIENCE", "http://localhost:8081"));
const orders = [];

const routes = {
  "GET /orders": async (request) => {
    const caller = await guard.require(request, "documents:read");
    return [200, orders.filter((order) => order.owner === caller.subject)];
  },
  "POST /orders": async (request) => {
    const caller = await guard.require(request, "documents:write");
    const { item } = await body(request);
    if (typeof item !== "string") throw new Refusal(422, "`item` must be a text");
    const order = { owner: caller.subject, item };
    orders.push(order);
    return [201, order];
  },
  "GET /admin/orders": async (request) => {
    await guard.require(request, "documents:read", "admin");
    return [200, orders];
  },
};

async function body(request) {
  let text = "";
  for await (const part of request) {
    text += part;
    if (text.length > 16 * 1024) throw new Refusal(413, "the body is too large");
  }
  try {
    return JSON.parse(text) ?? {};
  } catch {
    throw new Refusal(400, "the body is not JSON");
  }
}

async function answer(request) {
  const route = routes[`${request.method} ${request.url.split("?")[0]}`];
  if (!route) throw new Refusal(404, "there is nothing here");
  return route(request);
}

const server = createServer((request, response) => {
  const say = (status, json, headers = {}) => {
    response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store", ...headers });
    response.end(JSON.stringify(json));
  };
  answer(request).then(
    ([status, json]) => say(status, json),
    (error) => {
      if (error instanceof Refusal) return say(error.status, { detail: error.message }, error.headers);
      console.error(error);
      say(500, { detail: "something went wrong here" });
    },
  );
});

const [host, port] = setting("LISTEN", "127.0.0.1:8082").split(":");
server.listen(Number(port), host);
