# Short names only; what they do is in scripts/. `make test` runs everything a change needs.
# Targets stand from the cheapest to the dearest: .ci/run takes them in this order.

.PHONY: bench wheelhouse demo e2e e2e-scale fuzz web test test-c test-go test-py test-wasm test-cli test-ops test-web test-sanitize test-secrets setup install fmt advisories test-kms-plugin
.DEFAULT_GOAL := test

# Seconds for each fuzz target.
SECONDS ?= 60

RUN = @scripts/timed $@

test: test-tree test-gen test-rust test-nostd test-py test-c test-go test-wasm

setup: ; $(RUN) scripts/setup rust go python c wasm node chromium etcd softhsm
install: ; @scripts/c-install
demo: ; $(RUN) scripts/demo
fmt: ; cargo fmt --all
fuzz: ; $(RUN) scripts/fuzz $(SECONDS)
web: setup ; @scripts/web
# Proof with a real kube-apiserver; not part of CI.
e2e: setup ; $(RUN) scripts/e2e
e2e-scale: setup ; $(RUN) scripts/e2e --only scale --report docs/e2e-scale.md
bench: setup ; $(RUN) scripts/bench
wheelhouse: setup ; $(RUN) scripts/wheelhouse
advisories: ; $(RUN) scripts/advisories

test-tree: setup ; $(RUN) scripts/test-tree
test-gen: setup ; $(RUN) scripts/test-gen
test-rust: setup ; $(RUN) scripts/test-rust
test-nostd: setup ; $(RUN) scripts/test-nostd
test-py: setup ; $(RUN) scripts/test-py
test-c: setup ; $(RUN) scripts/test-c
test-go: setup ; $(RUN) scripts/test-go
test-wasm: setup ; $(RUN) scripts/test-wasm
test-cli: setup ; $(RUN) scripts/test-cli
test-kms-plugin: setup ; $(RUN) scripts/test-kms-plugin
test-sanitize: setup ; $(RUN) scripts/test-sanitize
test-secrets: setup ; $(RUN) scripts/test-secrets
test-ops: setup ; $(RUN) scripts/test-ops
test-web: setup ; $(RUN) scripts/test-web
