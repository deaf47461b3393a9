package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"
)

// valueSeed is a stored value of the vectors, at its etcd key.
type valueSeed struct{ key, stored []byte }

// valueSeeds are the values that the vectors ask about under one configuration.
type valueSeeds struct {
	text, resource string
	stored         []valueSeed
}

// readSuites reads the cases of every suite of a kind.
func readSuites[C any](dir, kind string) ([]C, error) {
	var m Manifest
	if err := readJSON(filepath.Join(dir, "manifest.json"), &m); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(m.Suites))
	for n := range m.Suites {
		names = append(names, n)
	}
	sort.Strings(names)
	var all []C
	for _, n := range names {
		if m.Suites[n].Kind != kind {
			continue
		}
		var f struct {
			Cases []C `json:"cases"`
		}
		if err := readJSON(filepath.Join(dir, m.Suites[n].File), &f); err != nil {
			return nil, err
		}
		all = append(all, f.Cases...)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no suite of kind %s", dir, kind)
	}
	return all, nil
}

func readJSON(path string, into any) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

func unhex(s *string) []byte {
	if s == nil {
		return nil
	}
	b, err := hex.DecodeString(*s)
	must(err)
	return b
}

func readValueSeeds(dir string) ([]valueSeeds, error) {
	cases, err := readSuites[struct {
		Config, Resource    string
		EtcdKey, EtcdKeyHex *string
		Stored              string
	}](dir, "read")
	if err != nil {
		return nil, err
	}
	at := map[[2]string]int{}
	var out []valueSeeds
	for _, c := range cases {
		where := [2]string{c.Config, c.Resource}
		i, seen := at[where]
		if !seen {
			text, err := os.ReadFile(filepath.Join(dir, c.Config))
			if err != nil {
				return nil, err
			}
			i = len(out)
			at[where] = i
			out = append(out, valueSeeds{text: string(text), resource: c.Resource})
		}
		v := valueSeed{unhex(c.EtcdKeyHex), unhex(&c.Stored)}
		if c.EtcdKey != nil {
			v.key = []byte(*c.EtcdKey)
		}
		// The longest ones are about lengths, which the vectors themselves ask.
		if len(v.stored) < 20_000 {
			out[i].stored = append(out[i].stored, v)
		}
	}
	return out, nil
}

// readConfigSeeds are the texts of the vectors, those of configurations first; configs is how many.
func readConfigSeeds(dir string) (texts []string, configs int, err error) {
	for _, kind := range []string{"config", "yaml"} {
		cases, err := readSuites[struct{ Text, TextHex *string }](dir, kind)
		if err != nil {
			return nil, 0, err
		}
		for _, c := range cases {
			text := string(unhex(c.TextHex))
			if c.Text != nil {
				text = *c.Text
			}
			if len(text) < 3000 {
				texts = append(texts, text)
			}
		}
		if kind == "config" {
			configs = len(texts)
		}
	}
	return texts, configs, nil
}
