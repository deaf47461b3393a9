// Command gen writes the conformance vectors: it runs the real Kubernetes code
// and records what it did. It is the only program here that imports Kubernetes.
//
//	go run . -out ..     write every vector file
//	go run . -check ..   write them to a temporary folder and compare
//	go run . -sample ../sample   make a new sample snapshot (never the same bytes twice)
//	go run . -evidence ../../audit/tests/data   make the snapshots that audit's tests need besides
//	go run . -differ values -peer PATH -n 100000   ask k8senc-peer and the real code the same questions
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"sort"

	"github.com/go-logr/logr"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	"k8s.io/klog/v2"
)

// suites are written in this order; each lives in a file of its own.
var suites = []struct {
	name, kind, program string
	fill                func(*Suite)
}{
	{"wire/identity", "read", "wire_identity.go", wireIdentity},
	{"wire/aescbc", "read", "wire_aescbc.go", wireAESCBC},
	{"wire/aesgcm", "read", "wire_aesgcm.go", wireAESGCM},
	{"wire/secretbox", "read", "wire_secretbox.go", wireSecretbox},
	{"wire/kmsv1", "read", "wire_kmsv1.go", wireKMSv1},
	{"wire/kmsv2", "read", "wire_kmsv2.go", wireKMSv2},
	{"wire/mux", "read", "wire_mux.go", wireMux},
	{"wire/flips", "read", "wire_flips.go", wireFlips},
	{"wire/versions", "read", "wire_versions.go", wireVersions},
	{"wire/examples", "read", "wire_versions.go", wireExamples},
	{"wire/e2e", "read", "wire_e2e.go", wireE2E},
	{"write/static", "write", "write.go", writeStatic},
	{"write/kms", "write", "write.go", writeKMS},
	{"state/kmsv2", "state", "state.go", stateSuite},
	{"state/kmsv1", "state", "state.go", stateSuite},
	{"state/kmsv2-key", "state", "state.go", stateSuite},
	{"contract/encrypt", "contract", "contract.go", contractEncrypt},
	{"config/collected", "config", "config_inputs.go", configCollected},
	{"config/decode", "config", "config_decode.go", configDecode},
	{"config/resources", "config", "config_resources.go", configResources},
	{"config/keys", "config", "config_keys.go", configKeys},
	{"config/kms", "config", "config_kms.go", configKMS},
	{"config/found", "config", "config_found.go", configFound},
	{"yaml/scalars", "yaml", "yaml.go", yamlScalars},
	{"yaml/structure", "yaml", "yaml.go", yamlStructure},
	{"object/forms", "object", "objects.go", objectForms},
	{"object/decode", "decode", "object_decode.go", objectDecode},
}

// generatedDirs are owned by this program: what it does not write there must not be there.
var generatedDirs = []string{"config", "configs", "contract", "object", "state", "wire", "write", "yaml"}

func main() {
	out := flag.String("out", "", "write the vectors under this folder")
	check := flag.String("check", "", "compare the vectors under this folder with a new run")
	sample := flag.String("sample", "", "make a new sample snapshot in this folder; needs etcd36/ to build")
	evidence := flag.String("evidence", "", "make snapshots for the tests of audit in this folder (never the same bytes twice)")
	what := flag.String("differ", "", "values or configs: ask the real code and the peer the same questions, see docs/fuzzing.md")
	peerPath := flag.String("peer", "", "the program k8senc-peer")
	limit := flag.Int("n", 0, "differ: stop after so many executions")
	limitTime := flag.Duration("for", 0, "differ: stop after so long")
	seed := flag.Uint64("seed", 1, "differ: the same seed asks the same questions")
	findings := flag.String("findings", "findings", "differ: folder for what is found")
	flag.Parse()
	klog.SetLogger(logr.Discard())
	if err := utilfeature.DefaultMutableFeatureGate.Set("KMSv1=true"); err != nil {
		fatal("%v", err)
	}
	if file := os.Getenv(stateChild); file != "" {
		runStateChild(file)
	}
	var err error
	if workDir, err = os.MkdirTemp("", "vectors-gen-"); err != nil {
		fatal("%v", err)
	}
	defer os.RemoveAll(workDir)

	switch {
	case *out != "":
		generate(*out)
		writeTypes(*out)
		must(validate(filepath.Join(*out, "schema.json"), *out))
	case *check != "":
		fresh := filepath.Join(workDir, "fresh")
		generate(fresh)
		if n := compare(fresh, *check); n > 0 {
			fmt.Fprintf(os.Stderr, "gen: %d files differ\n", n)
			_ = os.RemoveAll(workDir)
			os.Exit(1)
		}
		if typesDiffer(*check) {
			fatal("%s is not what this program writes", typesFile)
		}
		must(validate(filepath.Join(*check, "schema.json"), *check))
		fmt.Println("vectors are what this program writes")
	case *sample != "":
		writeSample(*sample)
	case *evidence != "":
		writeEvidence(*evidence)
		writeRestarts(*evidence)
	case *what != "":
		if *peerPath == "" || *limit == 0 && *limitTime == 0 {
			fatal("-differ needs -peer, and -n or -for")
		}
		if !runDiffer(*what, *peerPath, *findings, *seed, *limit, *limitTime) {
			_ = os.RemoveAll(workDir)
			os.Exit(1)
		}
	default:
		flag.Usage()
		os.Exit(2)
	}
}

// source names the versions every expectation comes from.
func source() map[string]string {
	s := map[string]string{"go": runtime.Version()}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		fatal("no build information")
	}
	wanted := map[string]bool{
		"k8s.io/apiserver": true, "k8s.io/apimachinery": true, "k8s.io/kms": true, "golang.org/x/crypto": true,
		"google.golang.org/protobuf": true, "sigs.k8s.io/yaml": true, "go.yaml.in/yaml/v2": true, "sigs.k8s.io/json": true,
	}
	for _, d := range info.Deps {
		if wanted[d.Path] {
			s[d.Path] = d.Version
		}
	}
	return s
}

func generate(dir string) {
	m := Manifest{Format: formatVersion, Source: source(), Suites: map[string]ManifestSuite{}}
	for _, d := range generatedDirs {
		if err := os.RemoveAll(filepath.Join(dir, d)); err != nil {
			fatal("%v", err)
		}
	}
	for _, def := range suites {
		s := &Suite{name: def.name, kind: def.kind, ids: map[string]bool{}}
		def.fill(s)
		if len(s.cases) == 0 {
			fatal("suite %s is empty", s.name)
		}
		src := source()
		src["program"] = "gen/" + def.program
		file := def.name + ".json"
		must(writeJSON(filepath.Join(dir, file), SuiteFile{formatVersion, s.name, s.kind, src, s.cases}))
		m.Suites[s.name] = ManifestSuite{File: file, Kind: s.kind, Cases: len(s.cases)}
		m.Total += len(s.cases)
		fmt.Printf("%-28s %5d\n", s.name, len(s.cases))
	}
	paths := make([]string, 0, len(configTexts))
	for p := range configTexts {
		paths = append(paths, p)
	}
	sort.Strings(paths)
	must(os.MkdirAll(filepath.Join(dir, "configs"), 0o755))
	for _, p := range paths {
		must(os.WriteFile(filepath.Join(dir, p), []byte(configTexts[p]), 0o644))
	}
	must(writeJSON(filepath.Join(dir, "manifest.json"), m))
	fmt.Printf("%-28s %5d\n", "total", m.Total)
}

func must(err error) {
	if err != nil {
		fatal("%v", err)
	}
}

// compare reports every generated file that differs between two folders.
func compare(fresh, have string) int {
	bad := 0
	say := func(p, what string) { bad++; fmt.Fprintf(os.Stderr, "gen: %s: %s\n", p, what) }
	seen := map[string]bool{}
	must(filepath.WalkDir(fresh, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(fresh, p)
		if err != nil {
			return err
		}
		seen[rel] = true
		want, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if got, err := os.ReadFile(filepath.Join(have, rel)); err != nil {
			say(rel, "missing")
		} else if !bytes.Equal(got, want) {
			say(rel, "differs")
		}
		return nil
	}))
	for _, d := range generatedDirs {
		must(filepath.WalkDir(filepath.Join(have, d), func(p string, e fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if rel, _ := filepath.Rel(have, p); !e.IsDir() && !seen[rel] {
				say(rel, "is not written by this program")
			}
			return nil
		}))
	}
	return bad
}
