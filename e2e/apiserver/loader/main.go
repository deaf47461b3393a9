// Command loader asks kube-apiserver's own loader, the one that the binary beside it starts with, about many configurations.
//
// In: one JSON object a line, {"path", "reload", "kmsv1"}. Out: one for each, {"ok", "text"} or {"panic": true}.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"

	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
)

type question struct {
	Path   string `json:"path"`
	Reload bool   `json:"reload"`
	KMSv1  bool   `json:"kmsv1"`
}

type answer struct {
	OK    bool   `json:"ok"`
	Text  string `json:"text,omitempty"`
	Panic bool   `json:"panic,omitempty"`
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "loader:", err)
		os.Exit(1)
	}
}

func run() error {
	out := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		var q question
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return err
		}
		if err := utilfeature.DefaultMutableFeatureGate.Set(fmt.Sprintf("KMSv1=%t", q.KMSv1)); err != nil {
			return err
		}
		if err := out.Encode(load(q)); err != nil {
			return err
		}
	}
	return lines.Err()
}

func load(q question) (a answer) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer func() {
		if recover() != nil {
			a = answer{Panic: true}
		}
	}()
	if _, err := encryptionconfig.LoadEncryptionConfig(ctx, q.Path, q.Reload, "e2e"); err != nil {
		return answer{Text: err.Error()}
	}
	return answer{OK: true}
}
