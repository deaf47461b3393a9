// Open opens one stored value: the example of docs/go.md, also built fully static and started in an empty root.
//
//	open CONFIG RESOURCE ETCD-KEY < stored-value
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "open:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: open CONFIG RESOURCE ETCD-KEY < stored-value")
	}
	text, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	config, err := k8senc.ParseConfig(text, k8senc.ConfigOptions{Path: args[0]})
	if err != nil {
		return err
	}
	defer config.Close()
	chain, err := config.Chain(args[1])
	if err != nil {
		return err
	}
	defer chain.Close()
	stored, err := io.ReadAll(os.Stdin)
	if err != nil {
		return err
	}
	opened, err := chain.Open(context.Background(), stored, []byte(args[2]))
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(opened.Plaintext)
	return err
}
