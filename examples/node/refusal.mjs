// How a request is refused: a status, and for whoever must show a token the challenge of RFC 6750.

export class Refusal extends Error {
  constructor(status, message, headers = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }

  // Nothing in a challenge comes from the request.
  static challenge(status, error, message, attributes = {}) {
    const all = { realm: "orders", ...(error && { error, error_description: message }), ...attributes };
    const text = Object.entries(all).map(([name, value]) => `${name}="${value}"`);
    return new Refusal(status, message, { "WWW-Authenticate": `Bearer ${text.join(", ")}` });
  }

  // The token may well be good: it is our fault that we cannot tell.
  static unavailable() {
    return new Refusal(503, "not available for the moment", { "Retry-After": "5" });
  }
}
