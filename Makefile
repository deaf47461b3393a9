# Short names only; what they do is in scripts/. `make test` runs everything a change needs.
# Targets stand from the cheapest to the dearest: .ci/run takes them in this order.

# Seconds for each fuzz target.
SECONDS ?= 60

.PHONY: bench demo fuzz test test-c test-go test-py test-wasm test-sanitize test-secrets setup install fmt advisories
