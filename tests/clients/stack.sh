# Both services on embedded databases, for scripts that drive them from outside: to be sourced, from anywhere.
#
#   start_stack DIRECTORY   builds the services and starts them on free loopback ports, with all they keep in DIRECTORY;
#                           returns when both are ready and there is a user of each role
#   stop_stack              stops what start_stack started, and nothing else
#   tell_logs               prints what the services logged, for a run that failed
#
# What is wanted besides is said in the environment before:
#   STACK_AUTH_METRICS, STACK_RESOURCE_METRICS    where to serve metrics, unless nowhere
#   STACK_OTLP                                    where to export traces to, unless nowhere
# What clients need to know is then in the environment:
#   STACK_ISSUER, STACK_RESOURCE                  the two services' names, which are their addresses too
#   STACK_PASSWORD                                of the users the-reader, the-editor and the-admin
#   STACK_CLIENT_ID, STACK_CLIENT_SECRET          of a confidential client with the role reader

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
stack_programs=$(cd "$repository" && mkdir -p "${CARGO_TARGET_DIR:-target}" && cd "${CARGO_TARGET_DIR:-target}" && pwd)/debug
stack_directory=
stack_processes=()

start_stack() {
  local ports role
  stack_directory=$1
  # The whole workspace, so that the dependencies have the same features as in `cargo test` and are not built once more.
  (cd "$repository" && cargo build --quiet --locked --workspace --bins) || return

  # Below the ports that systems hand out by themselves, so that nobody is given one of ours before we use it.
  ports=$(python3 - <<'PYTHON'
import contextlib, random, socket

found = []
for port in random.sample(range(20000, 30000), 500):
    with contextlib.suppress(OSError), socket.socket() as attempt:
        attempt.bind(("127.0.0.1", port))
        found.append(port)
        if len(found) == 2:
            break
print(*found)
PYTHON
  ) || return
  export STACK_ISSUER=http://localhost:${ports% *} STACK_RESOURCE=http://localhost:${ports#* }
  # Characters that a form, JSON and Basic each have to escape: a client or a server that forgets to will not get in.
  export STACK_PASSWORD
  # shellcheck disable=SC2089,SC2090  # the quote and the backslash are to be taken literally
  printf -v STACK_PASSWORD 'grün & 100%% +=;/"\\ %s' "$(random_hex)"

  # The services refuse to start with a setting they do not know, and these are all the settings they get.
  unset "${!AUTH_@}" "${!RESOURCE_@}"
  # Nobody here guesses: wrong passwords are shown on purpose, quicker than a person could, and must not slow the rest down.
  export AUTH_LOGIN_THROTTLE=off
  export AUTH_LISTEN=127.0.0.1:${ports% *} AUTH_METRICS_LISTEN=${STACK_AUTH_METRICS:-off} AUTH_DATA_DIR=$stack_directory/auth \
    AUTH_FIRST_RESOURCE=$STACK_RESOURCE
  export RESOURCE_LISTEN=127.0.0.1:${ports#* } RESOURCE_METRICS_LISTEN=${STACK_RESOURCE_METRICS:-off} RESOURCE_DATA_DIR=$stack_directory/resource \
    RESOURCE_ISSUER=$STACK_ISSUER
  if [ -n "${STACK_OTLP:-}" ]; then export AUTH_OTLP_ENDPOINT=$STACK_OTLP RESOURCE_OTLP_ENDPOINT=$STACK_OTLP; fi
  # Whatever proxy the world is reached through, these two are here.
  export NO_PROXY=localhost,127.0.0.1 no_proxy=localhost,127.0.0.1

  start_service auth-service && start_service resource-service || return
  for role in reader editor admin; do
    printf '%s\n' "$STACK_PASSWORD" | "$stack_programs/auth-service" user add "the-$role" --role "$role" >/dev/null || return
  done
  register_client
}

# Starts one of the services, and waits until it says that it is ready.
start_service() {
  local process deadline=$((SECONDS + 60))
  "$stack_programs/$1" serve >"$stack_directory/$1.log" 2>&1 &
  process=$!
  stack_processes+=("$process")
  until "$stack_programs/$1" healthcheck 2>/dev/null; do
    if ! kill -0 "$process" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
      echo "$1 did not become ready" >&2
      return 1
    fi
    sleep 0.1
  done
}

# A client that has a secret: it asks for tokens of its own, and it is the API's own client, which may introspect tokens.
register_client() {
  export STACK_CLIENT_ID=documents-api STACK_CLIENT_SECRET
  STACK_CLIENT_SECRET=$("$stack_programs/auth-service" client add "$STACK_CLIENT_ID" --grant client_credentials \
    --scope documents:read --role reader --default-resource "$STACK_RESOURCE" --serves "$STACK_RESOURCE")
}

stop_stack() {
  local process deadline=$((SECONDS + 30))
  for process in "${stack_processes[@]}"; do
    kill "$process" 2>/dev/null || true
  done
  for process in "${stack_processes[@]}"; do
    while kill -0 "$process" 2>/dev/null; do
      if [ "$SECONDS" -ge "$deadline" ]; then kill -KILL "$process" 2>/dev/null || true; fi
      sleep 0.1
    done
    wait "$process" 2>/dev/null || true
  done
  stack_processes=()
}

tell_logs() {
  local log
  for log in "$stack_directory"/*.log; do
    [ -e "$log" ] || continue
    printf '\n--- the end of %s\n' "${log##*/}"
    tail -n 40 "$log"
  done
}

# A port below those that systems hand out by themselves.
free_port() {
  python3 - <<'PYTHON'
import contextlib, random, socket

for port in random.sample(range(20000, 30000), 500):
    with contextlib.suppress(OSError), socket.socket() as attempt:
        attempt.bind(("127.0.0.1", port))
        print(port)
        break
PYTHON
}

# python_environment DIRECTORY: an environment with what its requirements.txt names, made unless it is there; prints where.
python_environment() {
  local requirements=$1/requirements.txt environment=$1/.venv
  if ! cmp -s "$requirements" "$environment/installed.txt"; then
    python3 -m venv --clear "$environment" >&2
    "$environment/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$requirements" >&2
    cp "$requirements" "$environment/installed.txt"
  fi
  printf '%s\n' "$environment"
}

random_hex() { od -An -N12 -tx1 /dev/urandom | tr -d ' \n'; }

# install_node_modules DIRECTORY: what its lock file names, unless that is there already.
install_node_modules() (
  cd "$1" || exit
  if ! cmp -s package-lock.json node_modules/installed-lock.json; then
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
    cp package-lock.json node_modules/installed-lock.json
  fi
)
