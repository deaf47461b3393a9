package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/k8senc/k8senc/kms-plugin/connect"
	"github.com/k8senc/k8senc/kms-plugin/kek"
)

// Kinds are the backends a file may name, each with an empty configuration to fill.
type Kinds map[string]func() kek.Validator

// Parse reads the text of a file. What is wrong with it is a *Problems, complete as far as one reading can tell.
func Parse(file string, text []byte, kinds Kinds) (*Config, error) {
	problems := &Problems{file: file}
	d := &decoder{problems: problems, places: map[string]place{}}
	source := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := source.Decode(&document); err != nil {
		if errors.Is(err, io.EOF) {
			problems.add(Problem{What: "the file is empty", Hint: "k8senc-kms-plugin init writes one"})
		} else {
			problems.add(syntaxProblem(err))
		}
		return nil, problems
	}
	if err := source.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		problems.add(Problem{What: "more than one YAML document", Hint: "keep one"})
		return nil, problems
	}
	config := defaults()
	root := document.Content[0]
	raw := struct {
		*Config `yaml:",inline"`
	}{&config}
	d.config(root, raw.Config, kinds)
	if len(problems.List) == 0 {
		d.validate(&config)
	}
	if err := problems.orNil(); err != nil {
		return nil, err
	}
	return &config, nil
}

var yamlLine = regexp.MustCompile(`^yaml: line (\d+): (.*)$`)

func syntaxProblem(err error) Problem {
	if found := yamlLine.FindStringSubmatch(err.Error()); found != nil {
		line, _ := strconv.Atoi(found[1])
		return Problem{Line: line, Column: 1, What: "no YAML: " + found[2]}
	}
	return Problem{What: "no YAML: " + err.Error()}
}

func (d *decoder) config(root *yaml.Node, config *Config, kinds Kinds) {
	names, places := fields(reflect.ValueOf(config).Elem())
	for _, pair := range d.pairs(root, "") {
		name := pair.key.Value
		value, ok := places[name]
		switch {
		case !ok:
			d.unknown(pair.key, "", names)
			continue
		case name == "keys":
			if pair.value.Kind != yaml.SequenceNode {
				d.wrongKind(pair.value, name, "a list")
				continue
			}
			for i, item := range pair.value.Content {
				config.Keys = append(config.Keys, d.key(item, fmt.Sprintf("keys[%d]", i), kinds))
			}
		default:
			d.into(pair.value, name, value)
		}
		d.places[name] = at(pair.key)
	}
}

// key reads one entry of keys: four options of ours and one block of a backend.
func (d *decoder) key(node *yaml.Node, path string, kinds Kinds) Key {
	d.places[path] = at(node)
	var key Key
	names := append([]string{"name", "slot", "priority", "retired"}, slices.Sorted(maps.Keys(kinds))...)
	for _, pair := range d.pairs(node, path) {
		name := pair.key.Value
		here := join(path, name)
		switch name {
		case "name":
			d.into(pair.value, here, reflect.ValueOf(&key.Name).Elem())
		case "slot":
			d.into(pair.value, here, reflect.ValueOf(&key.Slot).Elem())
		case "priority":
			d.into(pair.value, here, reflect.ValueOf(&key.Priority).Elem())
		case "retired":
			d.into(pair.value, here, reflect.ValueOf(&key.Retired).Elem())
		default:
			make, ok := kinds[name]
			if !ok {
				d.unknown(pair.key, path, names)
				continue
			}
			if key.Block != nil {
				d.report(at(pair.key), here, fmt.Sprintf("the key has a %s block already", key.Backend), "a key is in one KMS: make two entries")
				continue
			}
			key.Backend, key.Block = name, make()
			d.into(pair.value, here, reflect.ValueOf(key.Block).Elem())
			for _, problem := range key.Block.Validate() {
				where := here
				if problem.Field != "" {
					where = join(here, problem.Field)
				}
				d.report(d.placeOf(where), where, problem.What, problem.Hint)
			}
		}
		d.places[here] = at(pair.key)
	}
	if key.Block == nil {
		d.report(at(node), path, "no KMS is named", "one block of "+strings.Join(slices.Sorted(maps.Keys(kinds)), ", ")+" is needed")
	}
	if key.Name == "" && key.Block != nil {
		key.Name = key.Backend
	}
	return key
}

// placeOf is the place of a path or of the nearest one above it.
func (d *decoder) placeOf(path string) place {
	for {
		if where, ok := d.places[path]; ok {
			return where
		}
		cut := strings.LastIndexAny(path, ".[")
		if cut < 0 {
			return d.places[""]
		}
		path = path[:cut]
	}
}

var clusterLabel = regexp.MustCompile(`^[A-Za-z0-9._-]{1,63}$`)
var keyName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,63}$`)

func (d *decoder) wrong(path, what, hint string) { d.report(d.placeOf(path), path, what, hint) }

func (d *decoder) validate(c *Config) {
	switch {
	case c.Cluster == "":
		d.wrong("cluster", "is missing", "a label for this cluster that is never changed: it is bound into every record")
	case !clusterLabel.MatchString(c.Cluster):
		d.wrong("cluster", fmt.Sprintf("%q is no label", c.Cluster), "1 to 63 letters, digits, dots, underscores or hyphens are needed")
	}
	d.socket(c)
	if !filepath.IsAbs(c.StateFile) {
		d.wrong("stateFile", fmt.Sprintf("%q is not absolute", c.StateFile), "")
	}
	d.keys(c)
	if c.SetKey != nil {
		d.source("setKey", c.SetKey.SecretSource)
	}
	for i, retired := range c.RetiredSetKeys {
		d.source(fmt.Sprintf("retiredSetKeys[%d]", i), retired)
	}
	d.bounds(c)
	for i, compat := range c.Compat {
		d.compat(fmt.Sprintf("compat[%d]", i), compat, c.Keys)
	}
}

func (d *decoder) socket(c *Config) {
	path := c.Socket.Path
	switch {
	case strings.HasPrefix(path, "@"):
		if !c.Socket.AllowAbstract {
			d.wrong("socket.path", "an abstract socket has no file whose owner and mode protect it",
				"use a path, or set socket.allowAbstract and name the callers in socket.peerUIDs")
		}
		if len(c.Socket.PeerUIDs) == 0 {
			d.wrong("socket.peerUIDs", "nobody may call", "name the uid of kube-apiserver, 0 as a rule")
		}
	case !filepath.IsAbs(path):
		d.wrong("socket.path", fmt.Sprintf("%q is not absolute", path), "write it as in the endpoint of kube-apiserver, without unix://")
	case filepath.Clean(path) != path:
		d.wrong("socket.path", fmt.Sprintf("%q is not in its shortest form", path), "write "+filepath.Clean(path))
	case len(path) > 107:
		d.wrong("socket.path", fmt.Sprintf("the path has %d bytes, a socket takes at most 107", len(path)), "")
	}
}

func (d *decoder) keys(c *Config) {
	if len(c.Keys) == 0 {
		d.wrong("keys", "no key", "k8senc-kms-plugin init writes a configuration with a local one")
		return
	}
	slots, names, active := map[uint8]string{}, map[string]string{}, 0
	claim := func(path string, slot uint8, name string) {
		if first, taken := slots[slot]; taken {
			d.wrong(path+".slot", fmt.Sprintf("%d is the slot of %s", slot, first), "a slot belongs to one key of this cluster for ever, also after it was retired")
		}
		slots[slot] = path
		if !keyName.MatchString(name) {
			d.wrong(path+".name", fmt.Sprintf("%q is no name", name), "1 to 63 letters, digits, dots, underscores or hyphens are needed")
		} else if first, taken := names[name]; taken {
			d.wrong(path+".name", fmt.Sprintf("%q is the name of %s", name, first), "names tell keys apart in metrics and logs")
		}
		names[name] = path
	}
	for i, key := range c.Keys {
		claim(fmt.Sprintf("keys[%d]", i), key.Slot, key.Name)
		if !key.Retired {
			active++
		}
	}
	for i := range c.RecoveryKeys {
		if c.RecoveryKeys[i].Name == "" {
			c.RecoveryKeys[i].Name = fmt.Sprintf("recovery-%d", i)
		}
		path := fmt.Sprintf("recoveryKeys[%d]", i)
		claim(path, c.RecoveryKeys[i].Slot, c.RecoveryKeys[i].Name)
		if c.RecoveryKeys[i].PublicKey == nil {
			d.wrong(path+".publicKey", "is missing", "k8senc-kms-plugin recovery-key new makes one")
		}
	}
	if active == 0 {
		d.wrong("keys", "every key is retired", "at least one has to wrap what is written")
	}
	if total := active + len(c.RecoveryKeys); total > 6 {
		d.wrong("keys", fmt.Sprintf("%d keys wrap, a record has room for 6", total), "retire some")
	}
}

func (d *decoder) source(path string, s SecretSource) {
	for _, problem := range connect.OneSecret(path, [2]string{"file", "credential"}, s.File, s.Credential) {
		d.wrong(problem.Field, problem.What, problem.Hint)
	}
}

func (d *decoder) bounds(c *Config) {
	if c.Calls.MaxInFlight < 1 || c.Calls.MaxInFlight > 256 {
		d.wrong("calls.maxInFlight", fmt.Sprintf("%d is here, 1 to 256 are possible", c.Calls.MaxInFlight), "")
	}
	if c.Calls.Queue < 0 || c.Calls.Queue > 100_000 {
		d.wrong("calls.queue", fmt.Sprintf("%d is here, 0 to 100000 are possible", c.Calls.Queue), "")
	}
	if c.Calls.Budget <= 0 {
		d.wrong("calls.budget", "is zero", "kube-apiserver waits 3 s unless its configuration says otherwise: leave 200 ms and more")
	}
	if c.UnwrapCache.Entries < 1 || c.UnwrapCache.Entries > 100_000 {
		d.wrong("unwrapCache.entries", fmt.Sprintf("%d is here, 1 to 100000 are possible", c.UnwrapCache.Entries), "to switch the cache off leave ttl out")
	}
	if c.Observe.Tracing.Sample < 0 || c.Observe.Tracing.Sample > 1 {
		d.wrong("observe.tracing.sample", "is not from 0 to 1", "")
	}
	if c.Observe.Listen != "" {
		host, _, err := net.SplitHostPort(c.Observe.Listen)
		if err != nil {
			d.wrong("observe.listen", fmt.Sprintf("%q is no host:port", c.Observe.Listen), "127.0.0.1:9464 is the default; \"\" switches it off")
		} else if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			d.wrong("observe.listen", fmt.Sprintf("%q is not on loopback", c.Observe.Listen), "metrics have no protection of their own: put a proxy with authentication in front")
		}
	}
}
