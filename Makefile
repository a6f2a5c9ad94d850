# Everything a newcomer and CI need. `make` alone shows what there is.
#
# One profile (release, with overflow checks) serves running and testing, so that RocksDB is compiled
# once. scripts/cargo keeps objects in ~/.cache/indelible and says why that cannot test stale code.

CARGO := scripts/cargo

# For `make run`: where the ledger lives, where it listens, and anything else for `indelible serve`.
DATA ?= indelible-data
LISTEN ?=
ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run build test measure soak bench fmt lint clean

help: ## Show this list
	@echo "Indelible, an append-only audit ledger. Targets:"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: build ## Build and start the server (DATA=folder, LISTEN=address, ARGS=more options)
	@exec bin/indelible serve --data "$(DATA)" $(if $(LISTEN),--listen "$(LISTEN)") $(ARGS)

build: ## Build both programs and link them into bin/
	@scripts/system-deps
	$(CARGO) build --release --bin indelible --bin indelible-verify
	@mkdir -p bin
	@ln -sf ../target/release/indelible ../target/release/indelible-verify bin/

test: ## Install what is missing, then run every test
	@scripts/system-deps
	@scripts/test-deps
	$(CARGO) test --release --workspace

measure: ## Measure what docs/PERFORMANCE.md claims (LONG=1: the full sizes, two hours)
	@scripts/system-deps
	scripts/measure

soak: ## Keep a server busy for an hour and fail where it grows
	@scripts/system-deps
	scripts/soak

bench: ## Run the criterion benches
	@scripts/system-deps
	$(CARGO) bench -p indelible-benches

fmt: ## Format the code
	$(CARGO) fmt --all

lint: ## Check formatting, clippy and rustdoc; any warning is an error
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --workspace --no-deps --quiet

clean: ## Remove what was built from this repository; compiled dependencies stay
	$(CARGO) clean --release $(foreach crate,core ledger archiver verifier server tests benches,-p indelible-$(crate))
	rm -rf target bin
