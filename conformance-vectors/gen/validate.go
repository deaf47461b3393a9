package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// validate checks the manifest and every suite under dir against the schema,
// and the manifest's counts against the files.
func validate(schemaFile, dir string) error {
	schema, err := jsonschema.NewCompiler().Compile(schemaFile)
	if err != nil {
		return err
	}
	check := func(file string) error {
		f, err := os.Open(filepath.Join(dir, file))
		if err != nil {
			return err
		}
		defer f.Close()
		doc, err := jsonschema.UnmarshalJSON(f)
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := schema.Validate(doc); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		return nil
	}
	if err := check("manifest.json"); err != nil {
		return err
	}
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		return err
	}
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	total := 0
	for name, s := range m.Suites {
		if err := check(s.File); err != nil {
			return err
		}
		raw, err := os.ReadFile(filepath.Join(dir, s.File))
		if err != nil {
			return err
		}
		var f struct {
			Suite string            `json:"suite"`
			Cases []json.RawMessage `json:"cases"`
		}
		if err := json.Unmarshal(raw, &f); err != nil {
			return err
		}
		if f.Suite != name || len(f.Cases) != s.Cases {
			return fmt.Errorf("%s: the manifest says %s with %d cases, the file %s with %d", s.File, name, s.Cases, f.Suite, len(f.Cases))
		}
		total += s.Cases
	}
	if total != m.Total {
		return fmt.Errorf("manifest: total %d, suites hold %d", m.Total, total)
	}
	return nil
}
