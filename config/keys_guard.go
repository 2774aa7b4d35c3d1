package config

import "time"

// keysOfGuarding are about who may do what, how much of it, and who sees how the service is.
//
//nolint:revive // a table, not a function to follow
func keysOfGuarding() []key {
	return []key{
		{
			name: "auth.mode", rule: modes(),
			meaning: "how callers say who they are; none asks nobody",
		},
		{
			name: "auth.allow_anonymous", rule: truth(),
			meaning: "let mode none also stand where others than this machine can connect",
		},
		{
			name: "auth.users", rule: secretLines("name:hash or name:hash:scope,scope"), secret: true, live: true, emptied: true,
			meaning: "secret with the users of mode basic",
		},
		{
			name: "auth.users_file", rule: path(), live: true,
			meaning: "file that holds auth.users, such as one made by htpasswd -B",
		},
		{
			name: "auth.basic_scopes", rule: scopes(), live: true,
			meaning: "what users of mode basic may do whose line does not say it",
		},
		{
			name: "auth.api_keys", rule: secretLines("what --new-api-key prints"), secret: true, live: true, emptied: true,
			meaning: "secret with the keys of mode api_key",
		},
		{
			name: "auth.api_keys_file", rule: path(), live: true,
			meaning: "file that holds auth.api_keys, so that the secret need not stand here",
		},
		{
			name: "jwt.jwks_url", rule: jwksURL(),
			meaning: "where the issuer of tokens publishes its keys",
		},
		{
			name: "jwt.key_file", rule: path(), live: true,
			meaning: "file with the public keys of the issuer instead, in PEM or as a JWKS",
		},
		{
			name: "jwt.secret", rule: hmacSecret(), secret: true, live: true,
			meaning: "secret that issuer and service share instead, for HS256",
		},
		{
			name: "jwt.secret_file", rule: path(), live: true,
			meaning: "file that holds jwt.secret, so that the secret need not stand here",
		},
		{
			name: "jwt.issuer", rule: label(),
			meaning: "what the claim iss of a token must be",
		},
		{
			name: "jwt.audience", rule: label(),
			meaning: "what must be among the values of its claim aud",
		},
		{
			name: "jwt.leeway", rule: span(0, 5*time.Minute),
			meaning: "how far the clock of the issuer may be from ours",
		},
		{
			name: "jwt.refresh", rule: span(10*time.Second, 24*time.Hour),
			meaning: "how often the keys at jwt.jwks_url are read again",
		},
		{
			name: "limit.reads", rule: rate(), live: true,
			meaning: "most requests of one caller that read",
		},
		{
			name: "limit.writes", rule: rate(), live: true,
			meaning: "most requests of one caller that change a user",
		},
		{
			name: "limit.bulk", rule: rate(), live: true,
			meaning: "most operations in batches of one caller",
		},
		{
			name: "limit.redis", rule: redis(), secret: true,
			meaning: "secret that leads to a Redis where all instances count",
		},
		{
			name: "limit.redis_file", rule: path(),
			meaning: "file that holds limit.redis, so that the secret need not stand here",
		},
		{
			name: "limit.max_callers", rule: count(100, 100_000_000),
			meaning: "most callers that are remembered in memory",
		},
		{
			name: "limit.in_flight", rule: count(0, mib), live: true,
			meaning: "most requests at a time; one more is answered 503 at once; 0 for no limit",
		},
		{
			name: "admin.addr", rule: adminAddress(),
			meaning: "where to serve metrics; a port alone is for this machine only; if empty, nowhere",
		},
		{
			name: "admin.pprof", rule: truth(),
			meaning: "serve the profiles of Go at admin.addr too",
		},
		{
			name: "admin.metrics_on_main", rule: truth(),
			meaning: "serve the metrics at http.addr too, to those with the scope admin",
		},
		{
			name: "reload.poll", rule: spanOrNone(time.Second, time.Hour),
			meaning: "how often to look for changed files, as SIGHUP does; 0s for never",
		},
	}
}
