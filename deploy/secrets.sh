#!/bin/sh
# Makes the secrets that compose.yaml mounts: random ones, in deploy/secrets, which git does not see.
# What is there already stays, because the databases remember their passwords in their volumes.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
cd "${1:-$(dirname "$0")}"
mkdir -p -m 0700 secrets
cd secrets

# keep NAME writes standard input to the file NAME unless there is one. The folder keeps others on this
# machine out; the files are readable, because each is mounted into containers of other users.
keep() {
	[ -e "$1" ] || { cat >"$1.new" && chmod 0444 "$1.new" && mv "$1.new" "$1"; }
}
# word prints 48 random hexadecimal digits, which need no escaping in a URL.
word() { od -An -v -tx1 -N24 /dev/urandom | tr -d ' \n'; }

# userapi runs the service's own program, which makes API keys.
userapi() {
	if command -v go >/dev/null; then
		go -C "$root" run . "$@"
	else
		docker build -q -t userapi:local "$root" >/dev/null && docker run --rm userapi:local "$@"
	fi
}

word | keep postgres_password
word | keep mysql_password
word | keep redis_password
word | keep grafana_password
printf 'postgres://userapi:%s@postgres:5432/userapi?sslmode=disable' "$(cat postgres_password)" | keep postgres_dsn
printf 'userapi:%s@tcp(mysql:3306)/userapi' "$(cat mysql_password)" | keep mysql_dsn
printf 'requirepass %s\n' "$(cat redis_password)" | keep redis_conf
printf 'redis://default:%s@redis:6379/0' "$(cat redis_password)" | keep redis_url
printf 'redis://default:%s@redis:6379/1' "$(cat redis_password)" | keep redis_url_mysql
# The key itself is for whoever calls the service; what is mounted tells only that it is right.
[ -e api_keys ] || {
	made=$(userapi --new-api-key operator --scopes admin)
	printf '%s\n' "$made" | grep '^uak_' | keep api_key
	printf '%s\n' "$made" | grep ' sha256:' | keep api_keys
}
