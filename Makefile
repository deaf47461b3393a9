# Short names only; what they do is in scripts/. `make test` runs everything a change needs.
# Targets stand from the cheapest to the dearest: .ci/run takes them in this order.

.PHONY: bench demo test test-py test-wasm test-go test-secrets setup fmt advisories
.DEFAULT_GOAL := test

RUN = @scripts/timed $@

test: test-tree test-gen test-rust test-nostd test-py test-go test-wasm

setup: ; $(RUN) scripts/setup rust go python wasm node chromium
demo: ; $(RUN) scripts/demo
fmt: ; cargo fmt --all
bench: setup ; $(RUN) scripts/bench
advisories: ; $(RUN) scripts/advisories

test-tree: setup ; $(RUN) scripts/test-tree
test-gen: setup ; $(RUN) scripts/test-gen
test-rust: setup ; $(RUN) scripts/test-rust
test-nostd: setup ; $(RUN) scripts/test-nostd
test-py: setup ; $(RUN) scripts/test-py
test-go: setup ; $(RUN) scripts/test-go
test-wasm: setup ; $(RUN) scripts/test-wasm
test-secrets: setup ; $(RUN) scripts/test-secrets
