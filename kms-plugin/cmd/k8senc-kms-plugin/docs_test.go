package main

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/k8senc/k8senc/kms-plugin/config"
)

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// options are the paths that a configuration of this type may have.
func options(of reflect.Type, at string) []string {
	for of.Kind() == reflect.Pointer || of.Kind() == reflect.Slice {
		of = of.Elem()
	}
	if of.Kind() != reflect.Struct {
		return []string{at}
	}
	var found []string
	for field := range of.Fields() {
		name, flags, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		inner := field.Type
		switch {
		case flags == "inline":
			found = append(found, options(inner, at)...)
		case name != "" && name != "-":
			found = append(found, options(inner, strings.TrimPrefix(at+"."+name, "."))...)
		}
	}
	return found
}

// said tells whether each part of an option's path stands in the text as code, alone or in a path.
func said(text, path string) bool {
	for part := range strings.SplitSeq(path, ".") {
		word := regexp.MustCompile("(?:`[^`\n]*|\n +[^\n]*)\\b" + regexp.QuoteMeta(part) + `\b`)
		if !word.MatchString(text) {
			return false
		}
	}
	return true
}

// Every option of the configuration and of each backend is in the documentation.
func TestEveryOptionIsDocumented(t *testing.T) {
	general := page(t, "kms-plugin.md")
	all := options(reflect.TypeFor[config.Config](), "")
	for _, path := range []string{"name", "slot", "priority", "retired"} {
		all = append(all, "keys."+path)
	}
	if len(all) < 35 {
		t.Fatalf("%d options: %q", len(all), all)
	}
	for _, path := range all {
		if !said(general, path) {
			t.Errorf("docs/kms-plugin.md does not say what %s is", path)
		}
	}
	head, rest, _ := strings.Cut(page(t, "kms-backends.md"), "\n## aws")
	rest = "\n## aws" + rest
	for name, backend := range backends() {
		text := general
		if name != "local" {
			_, section, there := strings.Cut(rest, "\n## "+name+"\n")
			if !there {
				t.Errorf("docs/kms-backends.md has no section %s", name)
				continue
			}
			section, _, _ = strings.Cut(section, "\n## ")
			text = head + section
		}
		for _, path := range options(reflect.TypeOf(backend.Config()), "") {
			if !said(text, path) {
				t.Errorf("the documentation of %s does not say what %s is", name, path)
			}
		}
	}
}

// Every row of the table of failures names tests that there are.
func TestEveryFailureIsATest(t *testing.T) {
	var tests []string
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, entry os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, found := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllStringSubmatch(string(text), -1) {
			tests = append(tests, found[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(page(t, "kms-plugin.md"), "\n## What happens when\n")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := 0
	for line := range strings.Lines(table) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| Failure") {
			continue
		}
		rows++
		named := regexp.MustCompile("`(Test\\w+)`").FindAllStringSubmatch(line, -1)
		if len(named) == 0 {
			t.Errorf("no test: %s", line)
		}
		for _, one := range named {
			if !slices.Contains(tests, one[1]) {
				t.Errorf("there is no test %s: %s", one[1], line)
			}
		}
	}
	if rows < 20 {
		t.Fatalf("%d rows", rows)
	}
}
