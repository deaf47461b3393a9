package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// answer is what a command of ours did.
type answer struct {
	code           int
	stdout, stderr string
}

// k8senc runs the command as a user would.
func (r *run) k8senc(ctx context.Context, arguments ...string) (answer, error) {
	return command(ctx, "", append([]string{r.tools.k8senc}, arguments...)...)
}

// command runs a program to its end; an error only if it could not be run.
func command(ctx context.Context, input string, argv ...string) (answer, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, diagnostics bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(input), &out, &diagnostics
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return answer{}, fmt.Errorf("%s cannot be run: %w", argv[0], err)
	}
	if ctx.Err() != nil {
		return answer{}, ctx.Err()
	}
	return answer{cmd.ProcessState.ExitCode(), out.String(), diagnostics.String()}, nil
}

// counts are the numbers of an audit that a run looks at.
type counts struct {
	Live, Plaintext, Exposed, Stale, StaleUnknown, Unreadable, Undecided, Moved, History int
}

type group struct {
	Resource, Provider string
	Key, KeyID, Form   string
	// StaleWhy counts the reasons.
	StaleWhy map[string]int
	counts
}

type report struct {
	Totals    counts
	Snapshot  struct{ Sha256 struct{ Status string } }
	Resources []struct {
		Resource string
		Covered  bool
		counts
	}
	Groups   []group
	Findings []struct {
		Code, Message string
		Count         int
	}
}

// audit judges a snapshot with a configuration.
func (r *run) audit(ctx context.Context, snapshot, config string, kms []string) (report, answer, error) {
	said, err := r.k8senc(ctx, append([]string{"audit", snapshot, "--config", config, "--format", "json", "--yes"}, kms...)...)
	if err != nil {
		return report{}, said, err
	}
	var made report
	if err := json.Unmarshal([]byte(said.stdout), &made); err != nil {
		return made, said, fmt.Errorf("k8senc audit ended with %d and no report: %s", said.code, said.stderr)
	}
	return made, said, nil
}

// live is how many current values of a resource a provider and key hold.
func (r report) live(resource, provider, key string) int {
	sum := 0
	for _, g := range r.Groups {
		if g.Resource == resource && g.Provider == provider && (key == "" || g.Key == key) {
			sum += g.Live
		}
	}
	return sum
}
