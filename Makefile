# `make` lists what there is to make.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
FUZZ_DURATION ?= 60s
SOAK_DURATION ?= 5m
SOAK_SEED ?= $(shell date +%s)
SOAK_MINUTES ?= 60
KERNEL ?= 6.18
export CGO_ENABLED := 0

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build ./xdpeel, one static binary
	go build -trimpath -ldflags '$(LDFLAGS)' -o xdpeel ./cmd/xdpeel

.PHONY: demo
demo: build ## see the main job done on this machine, end to end (asks for root)
	$(if $(filter 0,$(shell id -u)),,sudo) ./xdpeel demo

.PHONY: demo-suricata
demo-suricata: build ## see an IDS fed by xdpeel on this machine (asks for root)
	$(if $(filter 0,$(shell id -u)),,sudo) scripts/demo-suricata.sh

.PHONY: test
test: ## run all tests; as root the kernel and namespace tests too
	scripts/test.sh

.PHONY: test-vm
test-vm: ## run the kernel tests on the kernels that users have, in QEMU (KERNELS="6.1 newest", SHORT=yes)
	scripts/vm/matrix.sh --nics virtio,vmxnet3 $(if $(SHORT),--short) $(KERNELS:%=--kernel %)

.PHONY: test-systemd
test-systemd: ## install the daemon under a real systemd, in QEMU, and see that the unit keeps its word (as root)
	scripts/vm/systemd.sh

.PHONY: fuzz
fuzz: ## let the kernel, its C compiled natively and the reference judge the same packets (FUZZ_DURATION=60s)
	scripts/install-deps.sh generate
	scripts/fuzz.sh $(FUZZ_DURATION)

.PHONY: soak
soak: ## have a storm of faults go over a daemon, as root (SOAK_DURATION=5m; SOAK_SEED=n for one that was)
	SOAK_DURATION=$(SOAK_DURATION) SOAK_SEED=$(SOAK_SEED) go test ./cmd/xdpeel -run '^TestFaultStorm$$' -count=1 -v -timeout 0

.PHONY: soak-vm
soak-vm: ## likewise in a QEMU guest, where clocks, CPUs and memory fail too (KERNEL=6.18; SOAK_MINUTES=60 is its end)
	scripts/vm/matrix.sh --kernel $(KERNEL) --memory 2048 --timeout $(SOAK_MINUTES) --program ./cmd/xdpeel \
		--env SOAK_DURATION=$(SOAK_DURATION) --env SOAK_SEED=$(SOAK_SEED) --run '^TestFaultStorm$$' ./cmd/xdpeel

.PHONY: bench
bench: ## measure xdpeel beside what people use today, and write the report (as root, some 45 minutes)
	scripts/install-deps.sh bench
	scripts/install-suricata.sh || true # a contender that is not there is listed as such
	go run ./benchmarks

.PHONY: generate
generate: ## compile the BPF objects and what is generated from them
	scripts/install-deps.sh generate
	go generate ./bpf ./benchmarks/...

.PHONY: check
check: ## formatting, vet, staticcheck, and headers that compile alone
	@test -z "$$(gofmt -l . | tee /dev/stderr)"
	go vet ./... && go vet -tags guest ./loader ./scripts/vm/...
	go run $(STATICCHECK) ./...
	go run $(STATICCHECK) -tags guest ./loader ./scripts/vm/...
	scripts/install-deps.sh generate
	scripts/check-headers.sh

.PHONY: clean
clean: ## remove what was built
	rm -rf xdpeel build
