# What deploy/compose-check and deploy/profiles-check have in common: to be sourced by them, from the repository's root.
#
#   begin PROJECT           chooses docker or podman, and makes a temporary directory, $work; all is taken down at the end
#   build_images            builds both images, tagged $TAG
#   bring_up SERVICE...     waits until each of them runs and is healthy; further words for compose stand in $flags
#   status, member, log_in  requests, and what their answers must be

begin() {
  if docker info >/dev/null 2>&1; then engine=docker compose="docker compose"; else engine=podman compose=podman-compose; fi
  project=$1
  flags=()
  work=$(mktemp -d)
  export SECRETS=$work/secrets
  trap clean_up EXIT
  trap 'exit 130' INT TERM
}

say() { printf '%4ds  %s\n' "$SECONDS" "$*"; }
fail() { say "FAILED: $*"; exit 1; }
composed() { $compose -p "$project" "${flags[@]}" "$@" >>"$work/log" 2>&1; }
containers() { $engine ps -q --filter "label=com.docker.compose.project=$project" "$@"; }
container() { containers --filter "label=com.docker.compose.service=$1"; }

clean_up() {
  local status=$?
  trap - EXIT
  if [ "$status" != 0 ]; then
    tail -n 40 "$work/log" || true
    $compose -p "$project" "${flags[@]}" logs 2>&1 | tail -n 80 || true
  fi
  composed down -v || true
  rm -rf "$work"
  exit "$status"
}

build_images() {
  local service
  for service in auth-service resource-service; do
    # shellcheck disable=SC2086 # several flags
    $engine build ${BUILD_FLAGS:-} --build-arg "PROFILE=${PROFILE:-release}" --target "$service" -t "$service:$TAG" . \
      >"$work/log" 2>&1 || fail "the image of $service does not build"
    say "built $service"
  done
}

# healthy SERVICE...: whether each of them runs, and answers its health check if it has one.
healthy() {
  local service id health
  for service in "$@"; do
    id=$(container "$service")
    [ -n "$id" ] || return 1
    health=$($engine inspect --format '{{if .Config.Healthcheck}}checked{{end}}' "$id" 2>/dev/null) || return 1
    [ -n "$health" ] || continue
    # podman leaves health checks to systemd; where that is not running, somebody has to ask.
    [ "$engine" = docker ] || podman healthcheck run "$id" >/dev/null 2>&1 || return 1
    [ "$($engine inspect --format '{{.State.Health.Status}}' "$id" 2>/dev/null)" = healthy ] || return 1
  done
}

bring_up() {
  # In the background: compose itself may wait for one service's health before it starts the next.
  composed up -d "$@" & local up=$!
  for _ in $(seq 180); do
    if healthy "$@"; then wait "$up"; say "healthy: $*"; return; fi
    sleep 1
  done
  fail "not healthy after three minutes: $(for service in "$@"; do healthy "$service" || printf '%s ' "$service"; done)"
}

# status WANTED CURL-ARGUMENTS: what the answer must be; the body is left in $work/body, the headers in $work/headers.
status() {
  local wanted=$1 got
  shift
  got=$(curl -sS -m 15 -o "$work/body" -D "$work/headers" -w '%{http_code}' "$@") || fail "no answer: curl ${*: -1}"
  [ "$got" = "$wanted" ] || fail "$got instead of $wanted from ${*: -1}: $(head -c 500 "$work/body")"
}
member() { sed -nE "s/.*\"$1\" *: *\"([^\"]*)\".*/\1/p" "$work/body"; }

# log_in CLIENT USER PASSWORD [CURL-ARGUMENTS]: at $auth, for the token in $token
log_in() {
  status 200 "${@:4}" -u "$1:" -d grant_type=password -d "username=$2" --data-urlencode "password=$3" "$auth/oauth2/token"
  token=$(member access_token)
  [ -n "$token" ] || fail "no access token in the answer"
}

# add_user SERVICE NAME ROLE: with a password of its own, left in $password
add_user() {
  password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
  echo "$password" | $engine exec -i "$(container "$1")" auth-service user add "$2" --role "$3" >>"$work/log" 2>&1 \
    || fail "the user is not added"
}
