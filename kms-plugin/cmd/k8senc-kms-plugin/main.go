// Command k8senc-kms-plugin is a KMS v2 plugin for kube-apiserver.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"strings"

	"github.com/k8senc/k8senc/kms-plugin/config"
)

// command is one subcommand. run's error ends the program with 1; usage errors with 2.
type command struct {
	name, short, usage, examples string
	run                          func(ctx context.Context, p *program, args []string) error
}

// program is what a command may touch, so that tests can give their own.
type program struct {
	out, err io.Writer
	flags    *flag.FlagSet
}

const defaultConfig = "/etc/k8senc-kms-plugin/config.yaml"

func commands() []command {
	return []command{
		{"serve", "serve kube-apiserver until SIGTERM", "serve [--config FILE]",
			"  k8senc-kms-plugin serve --config /etc/k8senc-kms-plugin/config.yaml\n  kill -HUP $(pidof k8senc-kms-plugin)     # read the configuration again; a changed file is seen by itself\n", serve},
		{"check-config", "say what is wrong in a configuration, and where", "check-config [--config FILE] [--open] [--live]",
			"  k8senc-kms-plugin check-config --config new.yaml          # the file alone\n  k8senc-kms-plugin check-config --config new.yaml --live   # also asks each KMS for its current version\n", checkConfig},
		{"init", "make a local KEK and a configuration to start with", "init --cluster LABEL [--recovery-key PUBLIC] [--set-key] DIRECTORY",
			"  k8senc-kms-plugin init --cluster test-1 /etc/k8senc-kms-plugin\n", initialise},
		{"recovery-key", "make an offline recovery key", "recovery-key new FILE | recovery-key public FILE",
			"  k8senc-kms-plugin recovery-key new recovery.key      # on a machine that is not of the cluster; keep the file offline\n", recoveryKey},
		{"set-plan", "say what a changed configuration does to the key_id, and what must be rewritten", "set-plan --config NEW [--audit REPORT.json]",
			"  k8senc audit snapshot.db --config encryption.yaml --format json > report.json\n  k8senc-kms-plugin set-plan --config new.yaml --audit report.json\n", setPlan},
		{"version", "say the version", "version", "", func(_ context.Context, p *program, _ []string) error {
			fmt.Fprintln(p.out, "k8senc-kms-plugin", version())
			return nil
		}},
	}
}

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdout, os.Stderr)) }

var errUsage = errors.New("usage")

func run(ctx context.Context, args []string, out, errs io.Writer) int {
	if len(args) == 0 || args[0] == "help" || args[0] == "--help" || args[0] == "-h" {
		help(out)
		if len(args) == 0 {
			return 2
		}
		return 0
	}
	for _, one := range commands() {
		if one.name != args[0] {
			continue
		}
		p := &program{out: out, err: errs, flags: flag.NewFlagSet(one.name, flag.ContinueOnError)}
		p.flags.SetOutput(io.Discard)
		p.flags.Usage = func() {}
		err := one.run(ctx, p, args[1:])
		var problems *config.Problems
		switch {
		case err == nil:
			return 0
		case errors.Is(err, flag.ErrHelp):
			fmt.Fprintf(out, "%s: %s\n\nusage: k8senc-kms-plugin %s\n", one.name, one.short, one.usage)
			p.flags.SetOutput(out)
			p.flags.PrintDefaults()
			if one.examples != "" {
				fmt.Fprintf(out, "\nexamples:\n%s", one.examples)
			}
			return 0
		case errors.Is(err, errUsage):
			fmt.Fprintf(errs, "k8senc-kms-plugin %s: %s\nusage: k8senc-kms-plugin %s\n", one.name, strings.TrimSuffix(err.Error(), ": usage"), one.usage)
			return 2
		case errors.As(err, &problems):
			fmt.Fprintln(errs, problems.Error())
			return 1
		default:
			fmt.Fprintf(errs, "k8senc-kms-plugin %s: %v\n", one.name, err)
			return 1
		}
	}
	fmt.Fprintf(errs, "k8senc-kms-plugin: no such command %q; k8senc-kms-plugin --help lists them\n", args[0])
	return 2
}

func help(out io.Writer) {
	fmt.Fprint(out, "k8senc-kms-plugin: a KMS v2 plugin for kube-apiserver, on one KMS or several at once\n\ncommands:\n")
	for _, one := range commands() {
		fmt.Fprintf(out, "  %-14s %s\n", one.name, one.short)
	}
	fmt.Fprint(out, "\nto try it on this machine:\n  k8senc-kms-plugin init --cluster test-1 ./plugin && k8senc-kms-plugin serve --config ./plugin/config.yaml\n\n"+
		"k8senc-kms-plugin COMMAND --help has more; docs/kms-plugin.md explains every option of the configuration.\n")
}

func misuse(format string, values ...any) error {
	return fmt.Errorf(format+": %w", append(values, errUsage)...)
}

// parse takes flags and exactly n arguments.
func (p *program) parse(args []string, n int) error {
	if err := p.flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return misuse("%v", err)
	}
	if p.flags.NArg() != n {
		return misuse("%d arguments are here, %d are needed", p.flags.NArg(), n)
	}
	return nil
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
