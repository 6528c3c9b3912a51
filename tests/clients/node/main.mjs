// The checks of the Node clients, against the services that tests/clients/stack.sh has started.
//
// usage:  tests/clients/run

import { failures } from "./checks.mjs";

await import("./strict_client.mjs");
await import("./jose_verifier.mjs");
await import("./life_cycle.mjs");

process.exit(failures() === 0 ? 0 : 1);
