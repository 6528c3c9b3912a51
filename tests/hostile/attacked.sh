# Both services, to be attacked: to be sourced by the scripts beside this one.
#
#   start_attacked DIRECTORY   starts them with all they keep in DIRECTORY, or in two databases of their own on the server of
#                              TEST_DATABASE_URL; then there is everything that tests/clients/stack.sh promises
#   stop_attacked              stops them, and drops the databases
#   check_attacked             fails unless both still serve, and neither log tells of a panic or a failure

# shellcheck source=tests/clients/stack.sh
source "$(dirname "${BASH_SOURCE[0]}")/../clients/stack.sh"

attacked_databases=()

start_attacked() {
  local service name
  # The limits are there to stop exactly this, and are tested elsewhere: here every request shall reach what is behind them.
  # Hashing as cheaply as the settings allow: what is attacked is not Argon2.
  stack_settings=(AUTH_RATE_LIMITS=off RESOURCE_RATE_LIMITS=off AUTH_REGISTRATION=open AUTH_ACCESS_TOKEN_LIFETIME=1h
    AUTH_PASSWORD_HASH_MEMORY=7168 AUTH_PASSWORD_HASH_PASSES=5)
  if [ -n "${TEST_DATABASE_URL-}" ]; then
    for service in AUTH RESOURCE; do
      name=hostile_$(random_hex)
      psql -q "$TEST_DATABASE_URL" -c "CREATE DATABASE $name" || return
      attacked_databases+=("$name")
      stack_settings+=("${service}_DATABASE_URL=${TEST_DATABASE_URL%/*}/$name")
    done
  fi
  start_stack "$1"
}

stop_attacked() {
  local name
  stop_stack
  for name in "${attacked_databases[@]}"; do
    psql -q "$TEST_DATABASE_URL" -c "DROP DATABASE $name WITH (FORCE)" || true
  done
  attacked_databases=()
}

check_attacked() {
  local url status log failed=0
  for url in "$STACK_ISSUER" "$STACK_RESOURCE"; do
    status=$(curl -s -o /dev/null -w '%{http_code}' -m 10 "$url/health/ready" || true)
    if [ "$status" != 200 ]; then
      echo "  FAILED   $url is not ready any more ($status)"
      failed=1
    fi
  done
  for log in "$stack_directory"/*-service.log; do
    if grep -E '"level":"ERROR"|panicked|"status":500' "$log" | head -n 5 | grep .; then
      echo "  FAILED   ${log##*/} tells of a failure"
      failed=1
    fi
  done
  return "$failed"
}

# access_token SCOPE: one of the administrator's.
access_token() {
  curl -sf -m 10 "$STACK_ISSUER/oauth2/token" -d grant_type=password -d username=the-admin \
    --data-urlencode "password=$STACK_PASSWORD" --data-urlencode "scope=$1" |
    python3 -c 'import json, sys; print(json.load(sys.stdin)["access_token"])'
}

# needs COMMAND PACKAGE: installs Debian's package of a tool that is not there.
needs() {
  command -v "$1" >/dev/null && return
  local as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get -qq update
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "$2" >/dev/null
}
