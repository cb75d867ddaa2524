# What people and CI run. `make` alone shows the answer on an invented case; `make test` is what must pass: everything once, and once more, with fewer mutations, under the race detector.
.PHONY: demo test build check generate eval fuzz bench

demo: build
	./culprit demo --dir culprit-demo

build:
	go build -o culprit ./cmd/culprit

test: check
	go test ./...
	go test -race -short ./...

# Tools are pinned in tool.mod so that they are no dependency of culprit itself.
check: generate
	@git diff --exit-code -- internal/event docs/fields.md || (echo "generated files are stale: commit what make generate wrote" && false)
	@test -z "$$(go tool -modfile=tool.mod gofumpt -l . | tee /dev/stderr)" || (echo "run: go tool -modfile=tool.mod gofumpt -w ." && false)
	go vet ./...
	go tool -modfile=tool.mod staticcheck ./...

generate:
	go generate ./internal/event

# eval prints how right the answers are: on the real recordings (CULPRIT_CORPUS) and on the invented cases.
eval:
	go test -count=1 -v -run RecordedTruth ./internal/attrib
	go test -count=1 -v -run Evaluation ./internal/simulate

# FUZZTIME a target: 60s and more by hand; in CI a number of runs (5000x), as go test can fail at the very end of a time.
FUZZTIME ?= 5s
fuzz:
	@for t in $$(grep -rlE '^func Fuzz' --include='*_test.go' internal | xargs grep -oE '^func Fuzz[A-Za-z0-9]*' | sed 's/:func /:/'); do \
		echo "fuzz $$t"; go test -run '^$$' -fuzz "^$${t##*:}\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ./$$(dirname $${t%%:*}) || exit 1; done

BENCHTIME ?= 5x
bench:
	go test -run '^$$' -bench . -benchtime $(BENCHTIME) ./internal/...
