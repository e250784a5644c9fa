# podkeep: type `make` to see what there is.

SHELL       := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.NOTPARALLEL:
.DEFAULT_GOAL := help

# Set once, here: the Podman bindings build as a remote client, without cgo; and make check vets, so that tests need not.
TAGS := remote,containers_image_openpgp,exclude_graphdriver_btrfs,btrfs_noversion,exclude_graphdriver_devicemapper
export CGO_ENABLED := 0
export GOFLAGS := $(strip $(filter-out -tags=% -buildvcs=%,$(GOFLAGS)) -buildvcs=false -vet=off -tags=$(TAGS))

STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
VERSION     := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMITTED   := $(shell TZ=UTC git log -1 --format=%cd --date=format-local:%Y%m%d%H%M%S 2>/dev/null)
APT         := podman conmon runc netavark aardvark-dns catatonit uidmap slirp4netns iptables busybox-static openssh-server nftables iproute2 curl git gcc libc6-dev \
               pkg-config libseccomp-dev libsqlite3-dev

# The newer Podman that is tried too, built once from its Go module, which has no part in ours.
PODMAN5        := 5.8.2
PODMAN5_DIR    := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/podkeep/podman-$(PODMAN5)
PODMAN5_V2     := ^Test(PodmanKeepsTheContract|EveryFaultShowsAndHeals)$$
PODMAN5_SCENES := ^Test(AFleetWorksAndLeavesNoTrace|TheFleetFollowsGit|JobsRunToTheirEndForReal|ProbesDecideOnRealNodes)$$
PODMAN5_TAGS   := containers_image_openpgp,exclude_graphdriver_btrfs,btrfs_noversion,seccomp,libsqlite3

# Packages whose tests need real Podman; every other package is a unit.
REAL := ./cmd/... ./devfleet/... ./drivers/podman/... ./docs/...

# Packages with goroutines of their own whose tests are fast.
RACY := ./node ./node/door ./node/doorman ./node/keyring ./node/names ./reconciler ./sources ./sources/dir ./sources/files ./drivers/fake ./status

# What is fuzzed: PACKAGE:TARGET.
FUZZ     := manifest:FuzzParse reconciler/plan:FuzzMake sources/git:FuzzTree sources/git:FuzzURL node/names:FuzzQueries node/names:FuzzAnswers node/door:FuzzAPrefixIsReplacedByWhatIsMatched
FUZZTIME := 60s

say = @printf '\n\033[1;36m── %s\033[0m\n' '$(1)'

.PHONY: help
help: ## this list
	@printf '\033[1mpodkeep\033[0m keeps a fleet of Podman hosts the way a Git repository says.\n\n'
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  \033[1;36mmake %-10s\033[0m %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@printf '\nNew here? \033[1mmake demo\033[0m, then README.md.\n'

.PHONY: build
build: ## bin/podkeep, one static binary
	$(call say,build)
	go build -ldflags '-s -w -X main.version=$(VERSION) -X main.committed=$(COMMITTED)' -o bin/podkeep ./cmd/podkeep

.PHONY: test
test: deps build unit race e2e podman5 check ## all that CI runs; installs what it needs
	$(call say,all of it passed)

.PHONY: unit
unit: ## the fast tests: no Podman, no root
	$(call say,unit)
	go test -timeout 20m $$(go list -f '{{if or .TestGoFiles .XTestGoFiles}}{{.ImportPath}}{{end}}' ./... | grep -vxFf <(go list $(REAL)))

.PHONY: race
race: ## the packages with goroutines, under the race detector (needs a C compiler)
	$(call say,race)
	CGO_ENABLED=1 go test -race $(RACY)

.PHONY: fuzz
fuzz: ## search for a minute with each fuzz target, side by side
	$(call say,fuzz)
	@out=$$(mktemp -d); trap 'rm -rf "$$out"' EXIT; \
	for f in $(FUZZ); do \
	  echo "build $${f%:*}"; go test -c -fuzz . -o "$$out/$${f#*:}" ./$${f%:*}; \
	done; \
	echo "search for $(FUZZTIME)"; pids=(); \
	for f in $(FUZZ); do \
	  (cd $${f%:*} && exec "$$out/$${f#*:}" -test.run '^$$' -test.fuzz "^$${f#*:}\$$" -test.fuzztime $(FUZZTIME) -test.fuzzminimizetime 20x \
	    -test.parallel 1 -test.fuzzcachedir "$$(go env GOCACHE)/fuzz/$$(go list .)") >"$$out/$${f#*:}.log" 2>&1 & pids+=($$!); \
	done; \
	failed=0; \
	for f in $(FUZZ); do \
	  if wait "$${pids[0]}"; then echo "ok $${f#*:}: $$(grep '^fuzz: elapsed' "$$out/$${f#*:}.log" | tail -n 1)"; \
	  else failed=1; grep -v '^fuzz: elapsed' "$$out/$${f#*:}.log"; fi; \
	  pids=("$${pids[@]:1}"); \
	done; \
	exit $$failed

.PHONY: e2e
e2e: ## the tests that drive real Podman nodes (root)
	$(call say,end to end)
	go test -count=1 -p 1 -parallel 3 -timeout 75m $(REAL)

.PHONY: podman5
podman5: export PODKEEP_TEST_PODMAN := $(PODMAN5_DIR)/podman
podman5: deps $(PODMAN5_DIR)/podman ## the driver's contract and fleets on Podman 5, on cgroups v1 and v2; builds it first (root)
	$(call say,Podman $(PODMAN5))
	drivers/podman/testdata/v2.sh go test -count=1 -p 1 -run '$(PODMAN5_V2)' ./drivers/podman ./devfleet
	go test -count=1 -parallel 3 -timeout 20m -run '$(PODMAN5_SCENES)' ./devfleet

$(PODMAN5_DIR)/podman: | deps
	$(call say,build Podman $(PODMAN5): a minute or two, once)
	@mkdir -p $(@D)/build
	cd $(@D)/build && export CGO_ENABLED=1 GOFLAGS=-buildvcs=false && rm -f go.mod go.sum && \
	  go mod init podman && go get github.com/containers/podman/v5/cmd/podman@v$(PODMAN5) && \
	  go build -trimpath -tags $(PODMAN5_TAGS) -ldflags '-s -w' -o podman github.com/containers/podman/v5/cmd/podman
	@mv $(@D)/build/podman $@ && rm -r $(@D)/build

.PHONY: soak
soak: deps ## an hour of pushes and 500 kills, 20 rollouts under load; nobody waits for it (root)
	$(call say,soak)
	go test -count=1 -v -timeout 30m -run TestManyRollouts ./devfleet -rollouts 20
	go test -count=1 -v -timeout 90m -run TestABusyHour ./devfleet -kills 500 -busy 1h

.PHONY: sim
sim: ## the simulation stories, laws checked after every line
	$(call say,simulation)
	go test -count=1 -v ./reconciler/sim/... -rollouts 10000

.PHONY: mutants
mutants: ## break what thinks on purpose and see which test notices; nobody waits for it
	$(call say,mutants)
	go run ./reconciler/mutants

.PHONY: golden
golden: ## rewrite the goldens; read the diff before you commit it
	$(call say,goldens)
	UPDATE_GOLDEN=1 go test -count=1 ./manifest/... ./reconciler/... ./status/... ./cmd/podkeep
	git --no-pager diff --stat

.PHONY: bench
bench: deps build ## measure against Podman itself and print the table (root)
	$(call say,bench)
	@command -v haproxy >/dev/null || { DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends haproxy >/dev/null && \
	  { [ ! -d /run/systemd/system ] || systemctl disable --quiet --now haproxy; }; } || echo 'bench: HAProxy could not be installed; it is not measured'
	@{ command -v unbound && command -v dnsmasq; } >/dev/null || { DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends unbound dnsmasq-base >/dev/null && \
	  { [ ! -d /run/systemd/system ] || systemctl disable --quiet --now unbound; }; } || echo 'bench: unbound and dnsmasq could not be installed; they are not measured'
	@{ command -v nginx && command -v caddy; } >/dev/null || { DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends nginx-light caddy >/dev/null && \
	  { [ ! -d /run/systemd/system ] || systemctl disable --quiet --now nginx caddy; }; } || echo 'bench: nginx and Caddy could not be installed; they are not measured'
	go run ./bench

.PHONY: demo
demo: deps build ## three real Podman nodes, a Git repository, pushes that become pods
	bin/podkeep dev demo

.PHONY: demo-down
demo-down: build ## remove every trace of the demo
	bin/podkeep dev down --name demo

.PHONY: check
check: ## gofmt, vet, staticcheck, import direction
	$(call say,check)
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "gofmt these:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go run $(STATICCHECK) ./...
	go test -run 'Imports|Pure|Tree' .

.PHONY: deps
deps: ## install the Debian packages that tests and demo need (root)
	@command -v go >/dev/null || { echo 'deps: Go is missing: install Go '"$$(awk '/^go /{print $$2}' go.mod)"' or newer from https://go.dev/dl/'; exit 1; }
	@missing=''; \
	for p in $(APT); do \
	  [ "$$(dpkg-query -W -f '$${db:Status-Status}' $$p 2>/dev/null || true)" = installed ] || missing="$$missing $$p"; \
	done; \
	if [ -z "$$missing" ]; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then echo "deps: not a Debian: install by hand:$$missing"; exit 1; fi; \
	if [ "$$(id -u)" != 0 ]; then echo "deps: run this as root first: apt-get update && apt-get install -y$$missing"; exit 1; fi; \
	printf '\n\033[1;36m── deps:%s\033[0m\n' "$$missing"; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get -qq update && apt-get -qq install -y --no-install-recommends $$missing >/dev/null; \
	case "$$missing" in *openssh-server*) if [ -d /run/systemd/system ]; then systemctl disable --now ssh; fi;; esac
