# All tasks of this repository. Plain go test ./... also works, with Go alone.

# The product, and the separate modules whose dependencies must not reach it.
MODULES := . examples bench chaos deploy release

FUZZTIME ?= 30s
LINT := go tool -modfile=$(CURDIR)/internal/tools/go.mod golangci-lint

comma := ,

# Runs $(1) in every module, and stops at the first that fails.
in_modules = @set -e; for m in $(MODULES); do echo "$$m: $(1)"; (cd $$m && $(1)); done

.PHONY: help
help: # Show this help
	@sed -n 's/^\([a-z0-9-]*\):.* # \(.*\)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: run
run: # Serve the demo on http://localhost:3000
	go run ./cmd/tidings demo

.PHONY: test
test: needs vet race-root e2e/node_modules/.package-lock.json js/node_modules/.package-lock.json # Run every test, in some twelve minutes on two cores; installs missing programs, or lists them
	@$(MAKE) --no-print-directory -j 3 --output-sync=target log race-others js console # some of them mostly compute, and others mostly wait
	@$(MAKE) --no-print-directory -j 2 e2e simulations

# How often make soak repeats the trials that make test runs a few times: kills of a hub and of a log, power losses, random operations against the
# model, disk faults, damage to the files of killed logs, restarts of a hub under load, faults of three hubs, lost messages between tabs, storms over the tabs of a browser, and joiners of compressed streams.
# Each variable also works for a single test. A test that fails prints the TIDINGS_SEED that repeats it.
SOAK := TIDINGS_KILLS=500 TIDINGS_CRASHES=500 TIDINGS_OPS=10000 TIDINGS_FAULTS=20 TIDINGS_DAMAGES=20 TIDINGS_SIMULATIONS=100000 TIDINGS_DISK_SIMULATIONS=5000 TIDINGS_CLUSTER=20 TIDINGS_MIRRORS=10000 TIDINGS_CHAINS=5000 TIDINGS_STORM=500 TIDINGS_JOINERS=1000 TIDINGS_RESTARTS=100

.PHONY: soak
soak: needs e2e/node_modules/.package-lock.json js/node_modules/.package-lock.json # Repeat the tests that kill, crash and damage for hours; make SOAK="TIDINGS_KILLS=50" soak is shorter
	$(SOAK) go test -race -shuffle=on -timeout 12h ./eventlog
	$(SOAK) go test -shuffle=on -timeout 12h -run Restarts ./cmd/tidings
	$(SOAK) go test -shuffle=on -timeout 12h ./eventlog/disklog ./eventlog/cluster
	$(SOAK) go test -race -shuffle=on -tags soak -timeout 12h ./eventlog/cluster/natsnode ./hub/internal/fanout
	cd js && $(SOAK) npm test --silent -- chain.test.js
	cd e2e && $(SOAK) npm test --silent -- kill.spec.js engines/storm.spec.js

.PHONY: lint
lint: # Check code, format and go.mod files
	$(call in_modules,$(LINT) run ./...)
	$(call in_modules,$(LINT) fmt --diff)
	$(call in_modules,go fix -diff ./...)
	$(call in_modules,go mod tidy -diff)
	cd internal/tools && go mod verify >/dev/null
	cd internal/tools && go test ./licences && go run ./licences -q $(MODULES:%=../../%)

.PHONY: licences
licences: # List the licences of all dependencies
	@cd internal/tools && go run ./licences $(MODULES:%=../../%)

# It asks a database on the internet, so it is not part of CI.
.PHONY: vuln
vuln: # Look for known vulnerabilities that the code reaches
	$(call in_modules,go run golang.org/x/vuln/cmd/govulncheck@v1.9.0 ./...)

# Without -fuzzminimizetime a worker makes each new input of the corpus smaller for up to a minute, and tries no other in that time.
.PHONY: fuzz
fuzz: # Run each fuzz target for FUZZTIME, 30s by default
	@set -e; for p in $$(go list ./...); do \
		for f in $$(go test -list '^Fuzz' $$p | grep '^Fuzz' || true); do \
			echo "$$p $$f"; \
			go test -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 100x $$p; \
		done; \
	done

.PHONY: bench
bench: # Benchmark sse against other libraries (7 minutes) and write the tables of docs/performance.md
	cd bench && go run ./cmd/table

.PHONY: benchlog
benchlog: # Benchmark the log against other stores (15 minutes), likewise
	cd bench && go run ./cmd/table -suite log

.PHONY: benchhub
benchhub: # Benchmark publishing and delivery latency of the hub (4 minutes), likewise
	cd bench && go run ./cmd/table -suite hub

.PHONY: benchfanout
benchfanout: benchways # Benchmark fan-out against other hubs (45 minutes with benchways, which runs first), likewise, and draw the charts
	cd bench && go run ./cmd/table -suite fanout

.PHONY: benchcompress
benchcompress: # Benchmark compression (10 minutes) and write its tables
	cd bench && go run ./cmd/table -suite compress

.PHONY: benchways
benchways: # Benchmark HTTP/2, --gather, and up to 1,000,000 streams (8 minutes, 8 GB), for docs/performance.md and docs/scale.md
	cd bench && go run ./cmd/table -suite ways
	cd bench && go run ./cmd/table -suite scale -o ../docs/scale.md

# docs/decisions/0078-http2-of-the-hub.md explains which of the 145 tests may fail.
H2SPEC := go run github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible --host 127.0.0.1 --timeout 5

.PHONY: h2spec
h2spec: # Run h2spec, a conformance test of HTTP/2, against a hub: over TLS, and without
	@dir=$$(mktemp -d); trap 'kill $$pids; wait; rm -rf $$dir' EXIT; set -e; \
	go build -o $$dir/tidings ./cmd/tidings; \
	openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout $$dir/key.pem -out $$dir/cert.pem 2>/dev/null; \
	$$dir/tidings serve --memory --log-level error --addr 127.0.0.1:39430 --tls-cert $$dir/cert.pem --tls-key $$dir/key.pem & pids=$$!; \
	$$dir/tidings serve --memory --log-level error --addr 127.0.0.1:39431 --h2c & pids="$$pids $$!"; \
	until curl -fsk https://127.0.0.1:39430/readyz >/dev/null && curl -fs http://127.0.0.1:39431/readyz >/dev/null; do sleep 0.1; done; \
	$(H2SPEC) --port 39430 --tls --insecure || true; \
	$(H2SPEC) --port 39431 || true

.PHONY: conformance
conformance: e2e/node_modules/.package-lock.json # Run the conformance cases against the clients of the field (8 minutes) and write the tables of docs/conformance.md
	cd bench && go run ./cmd/conformance

# What make chaos does: see chaos/README.md. As root it has networks and disks of its own, and makes faults of all kinds: more than 300.
CHAOS ?= -driver tidings-cluster -hubs 3 -clocks -runs 2 -for 30m -rest 500ms -losses 0.1

.PHONY: chaos
chaos: # Make faults under load for half an hour, and check that nothing was lost, doubled or reordered
	cd chaos && go run . $(CHAOS)

# The version of make release. Without it, the tag of the commit is the version, or a pseudo-version with its date and hash.
VERSION ?=

.PHONY: release
release: # Build binaries, archives, packages and images of the commit into dist/; VERSION=v0.1.0 if it has no tag
	cd release && go run . -version "$(VERSION)" -out ../dist

# The second build has an empty cache, and so takes as long as the first one on a new machine.
.PHONY: try-packages
try-packages: release # As root on Debian: install, use, upgrade and remove what is in dist/, and compare it with a second build
	@set -e; work=$$(mktemp -d); trap 'chmod -R u+w $$work; rm -rf $$work' EXIT; cd release; \
	go build -o $$work/release .; \
	$$work/release -version v0.0.0-0.before -out $$work/before; \
	GOCACHE=$$work/cache $$work/release -version "$(VERSION)" -out $$work/again; \
	DIST=$(CURDIR)/dist DIST_BEFORE=$$work/before DIST_AGAIN=$$work/again go test -tags try -count=1 -v -timeout 30m .

# Helm is a module of its own, deploy/tools, because building it takes minutes. The tests of CI read what it has made here.
.PHONY: charts
charts: # Lint the Helm chart, render it with the values of deploy/helm/values into deploy/helm/rendered, and run the tests that call Helm
	@set -e; cd deploy; helm=$$(go tool -modfile=tools/go.mod -n helm); for f in helm/values/*.yaml; do \
		$$helm lint --strict --quiet helm/tidings -f $$f; \
		release=$$(sed -n 's/^# release: //p' $$f); $$helm template $${release:-hub} helm/tidings -f $$f > helm/rendered/$$(basename $$f); \
	done; \
	HELM=$$helm go test -tags helm -count 1 -run Helm .
	@cd deploy && LC_ALL=C find chart_helm_test.go chart_helm_values_test.go helm/tidings helm/values -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -d' ' -f1 > helm/rendered/SHA256

.PHONY: e2e
e2e: needs e2e/node_modules/.package-lock.json js/node_modules/.package-lock.json # Run the tests in Chromium, and the most important ones in Firefox and WebKitGTK
	cd e2e && npm test --silent

.PHONY: e2e-all
e2e-all: needs e2e/node_modules/.package-lock.json js/node_modules/.package-lock.json # Run every test of e2e/engines in the three browsers
	cd e2e && TIDINGS_ENGINES=all npm test --silent -- engines/

.PHONY: ten-tabs
ten-tabs: needs e2e/node_modules/.package-lock.json js/node_modules/.package-lock.json # Measure ten tabs with one stream: doubled and missing events, and how long a takeover lasts
	cd e2e && node ten-tabs.js

# Deno and Bun are npm packages of 190 MB, so their tests are not part of make test.
.PHONY: runtimes
runtimes: e2e/runtimes/node_modules/.package-lock.json # Run tidings.js in Deno and Bun
	cd e2e/runtimes && npm test --silent

# Java and Rust, with the crates that Debian packages, take 400 MB, so they are not part of make test.
.PHONY: languages
languages: needs # Run the programs of docs/languages, also those in Java and Rust
	TIDINGS_LANGUAGES=all go test -count=1 -tags programs -run OtherLanguages ./cmd/tidings

.PHONY: docs
docs: site/node_modules/.package-lock.json # Make a site of docs/ in site/dist, with a search that works offline; a dead link is an error
	cd site && npm run build --silent
	@echo "look at it: cd site && npx vitepress preview"

# The pictures show the time at which they were made, so each run changes them.
.PHONY: pictures
pictures: needs e2e/node_modules/.package-lock.json # Make the pictures of docs/console.md and docs/presence.md
	cd e2e && node pictures.js

# The steps of make test.

.PHONY: needs
needs:
	@.ci/needs

.PHONY: vet
vet:
	$(call in_modules,go vet -tags programs$(comma)try$(comma)soak ./...)

# Three packages at once, because those with servers mostly wait for elections and programs.
RACE := go test -race -p 3 -shuffle=on -tags programs -timeout 25m

.PHONY: race
race: race-root race-others

.PHONY: race-root
race-root:
	$(RACE) ./...

# The tests of the other modules. Those of release run without the race detector: it has no goroutines, and its many dependencies are built already.
.PHONY: race-others
race-others: $(patsubst %,race-%,$(filter-out . release,$(MODULES)))
	cd release && go test -shuffle=on ./...

# Packages that have benchmarks alone need no linking: go vet has compiled them.
race-%:
	cd $* && $(RACE) $$(grep -rlE '^func (Test|Fuzz).*testing\.[TF]\)' --include='*_test.go' . | xargs -n 1 dirname | sort -u)

# Under the race detector the tests of the log on disk run fewer trials, see eventlog/disklog/crash_race_test.go. This target runs
# all of them.
.PHONY: log
log:
	go test -shuffle=on -timeout 10m ./eventlog/disklog

# A simulated run of three hubs takes some 40 ms of one core in memory, and 180 ms on disk. It leaves much garbage and keeps little, so a
# larger GOGC saves a fifth of that. Their time is virtual, so they take what the browsers leave of the processors.
.PHONY: simulations
simulations:
	GOGC=400 TIDINGS_SIMULATIONS=2000 TIDINGS_DISK_SIMULATIONS=100 nice -n 19 go test -timeout 15m -run WhateverBreaks ./eventlog/cluster

# The tests of tidings.js in Node; they also check its types, style and size, and that js/dist is made from the sources.
.PHONY: js
js: js/node_modules/.package-lock.json
	cd js && npm test --silent

# The tests of the console in Node. They use the tools of folder js.
.PHONY: console
console: js/node_modules/.package-lock.json
	node --test console/test/

# npm writes this file last, so it marks a complete installation.
%/node_modules/.package-lock.json: %/package.json %/package-lock.json %/.npmrc
	cd $* && PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 npm ci --loglevel=error --no-audit --no-fund
	@touch $@
