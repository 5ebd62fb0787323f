# What ./dev does before anything of Homeport runs: Debian packages and the build.
# Sourced by ./dev; uses its functions `step` and `fail`, and its variable `root`.
# shellcheck shell=bash disable=SC2154

# The packages of groups $@ that are missing, one a line.
missing_packages() {
  local group package command groups=" $* "
  while read -r group package command; do
    [[ $group == \#* || -z $group || $groups != *" $group "* ]] && continue
    [[ -n $command ]] && command -v "$command" >/dev/null && continue
    dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed && continue
    echo "$package"
  done < "$root/deploy/local/packages.txt" | sort -u
}

as_root() {
  if [[ $(id -u) -eq 0 ]]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "root is needed to run: $*" "run that as root, or install sudo; then repeat this command"
  fi
}

install_packages() {
  local -a missing
  command -v dpkg-query apt-get >/dev/null ||
    fail "this is not a Debian system" "./dev expects Debian 12, a container of it will do"
  mapfile -t missing < <(missing_packages "$@")
  [[ ${#missing[@]} -eq 0 ]] && return
  step "installing ${#missing[@]} Debian packages: ${missing[*]}"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q update ||
    fail "apt-get update failed" "check the network and /etc/apt/sources.list"
  # Services that come along (Redis, PostgreSQL, mosquitto) may start by themselves; Homeport never
  # uses them, it starts its own private ones.
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -q install -y --no-install-recommends \
    "${missing[@]}" || fail "apt-get install failed" "see apt's message above, then try again"
}

# As many compilers at once as there are cores, and 1.5 GiB of memory for each.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/MemAvailable/ {print int($2 / 1572864)}' /proc/meminfo)
  (( memory < 1 )) && memory=1
  echo $(( cores < memory ? cores : memory ))
}

# Reads ninja's output; shows every fifth second where it is, and everything that is not progress.
show_build_progress() {
  local line shown=$SECONDS
  while IFS= read -r line; do
    if [[ $line != \[* ]]; then
      [[ $line == ninja:\ no\ work* || $line == ninja:\ Entering* ]] || printf '%s\n' "$line"
    elif (( SECONDS - shown >= 5 )); then
      shown=$SECONDS
      printf '    %s\n' "$line"
    fi
  done
}

# build PRESET [TARGET...]: configures and builds; without targets, everything.
build() {
  local preset=$1 log
  local -a targets=()
  shift
  [[ $# -gt 0 ]] && targets=(--target "$@")
  log="$root/build/$preset/build.log"
  mkdir -p "$root/build/$preset"
  step "building (preset $preset${*:+: $*})"
  (cd "$root" && cmake --preset "$preset") > "$log" 2>&1 ||
    { tail -n 40 "$log" >&2; fail "cmake --preset $preset failed" "the whole output is in $log"; }
  (cd "$root" && NINJA_STATUS='[%f/%t, %e s] ' cmake --build --preset "$preset" -j "$(build_jobs)" \
    "${targets[@]}") 2>&1 | tee -a "$log" | show_build_progress
  [[ ${PIPESTATUS[0]} -eq 0 ]] ||
    fail "the build failed (preset $preset)" "the whole output is in $log"
}
