# Sourced by the other scripts: `phase NAME COMMAND…` runs a command, says what it does and how long it took.

if [ -t 2 ] && [ -z "${NO_COLOR:-}" ]; then
  bold=$'\e[1m' dim=$'\e[2m' red=$'\e[31m' green=$'\e[32m' plain=$'\e[0m'
else
  bold='' dim='' red='' green='' plain=''
fi

say() { printf '%s\n' "$*" >&2; }
die() { say "${red}error:${plain} $*"; exit 1; }

phase() {
  local name=$1 started=$SECONDS status=0
  shift
  say "${bold}==> ${name}${plain}"
  "$@" || status=$?
  if [ "$status" -eq 0 ]; then
    say "${green}  ok${plain} ${name} ${dim}($((SECONDS - started)) s)${plain}"
  else
    say "${red}failed${plain} ${name} ${dim}(exit ${status}, $((SECONDS - started)) s)${plain}"
  fi
  return "$status"
}
