# What one does in this repository. `make` or `make help` lists it.

GO       ?= go
# The release build: no msgpack codec of gin's, no symbol tables.
BUILD    := -trimpath -tags nomsgpack -ldflags "-s -w"
GOLANGCI := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
GOFUMPT  := mvdan.cc/gofumpt@v0.12.0
REDOCLY  := @redocly/cli@2.77.0
SPECTRAL := @stoplight/spectral-cli@6.16.3
NEWMAN   := newman@6.2.2
FUZZTIME ?= 20s

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## start the service on 127.0.0.1:8080, in memory
	$(GO) run .

.PHONY: build
build: ## build the release binary ./userapi
	$(GO) build $(BUILD) -o userapi .

.PHONY: test
test: ## run every test that needs nothing but Go
	$(GO) test ./...

.PHONY: race
race: ## run the tests under the race detector
	$(GO) test -race ./...

.PHONY: fuzz
fuzz: ## run each fuzz target for FUZZTIME (20s)
	@set -e; for dir in $$($(GO) list -f '{{.Dir}}' ./...); do \
		for target in $$(grep -ho '^func Fuzz[A-Za-z0-9_]*' $$dir/*_test.go 2>/dev/null | sed 's/func //'); do \
			echo "$$dir $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$dir; \
		done; done

.PHONY: bench
bench: ## measure the built server beside bare and naive gin (needs wrk, some minutes)
	$(GO) run ./tests/bench

.PHONY: microbench
microbench: ## run the Go benchmarks with allocations
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: fmt
fmt: ## format the code
	$(GO) run $(GOFUMPT) -w $$(git ls-files '*.go')

.PHONY: lint
lint: ## lint the code and check the walls between packages
	$(GO) run $(GOLANGCI) run

.PHONY: generate
generate: ## write the API descriptions anew from the annotations
	$(GO) generate ./...

.PHONY: verify
verify: generate ## fail when generated files, go.mod or formatting are not as committed
	$(GO) mod tidy
	@unformatted=$$($(GO) run $(GOFUMPT) -l $$(git ls-files "*.go")) && test -z "$$unformatted" || { echo "run make fmt; not formatted: $$unformatted"; exit 1; }
	git diff --exit-code

.PHONY: lint-api
lint-api: ## lint the API description (needs npx)
	npx --yes $(REDOCLY) lint docs/openapi.json --config docs/redocly.yaml
	npx --yes $(SPECTRAL) lint docs/openapi.json --ruleset docs/.spectral.yaml --fail-severity warn

.PHONY: postman
postman: ## run the Postman collection against a running service (needs npx)
	npx --yes $(NEWMAN) run docs/postman_collection.json

# A module of its own, which ./... leaves out. Without -count=1 the answer would be an old one: go test
# does not notice changes of files outside of the module.
.PHONY: deploy-check
deploy-check: ## check the Dockerfile and deploy/ (root also runs the image's files)
	cd deploy/validate && $(GO) mod tidy -diff && $(GO) vet ./... && $(GO) test -count=1 ./...

.PHONY: check-rules
check-rules: ## check and test the alerts of deploy/prometheus (needs promtool)
	cd deploy/prometheus && promtool check config prometheus.yml compose.yml && promtool check rules userapi.rules.yml && promtool test rules userapi.test.yml

.PHONY: check
check: ## what CI runs
	.ci/run
