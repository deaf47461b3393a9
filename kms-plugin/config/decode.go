package config

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// decoder reads a YAML tree strictly into structs whose fields have yaml tags, and remembers where each path stands.
type decoder struct {
	problems *Problems
	places   map[string]place
}

type place struct{ line, column int }

func at(node *yaml.Node) place { return place{node.Line, node.Column} }

func (d *decoder) report(where place, path, what, hint string) {
	d.problems.add(Problem{Line: where.line, Column: where.column, Path: path, What: what, Hint: hint})
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

var durationType = reflect.TypeFor[time.Duration]()

// into reads node into target, which can be set. A field that is absent or null is left as it is.
func (d *decoder) into(node *yaml.Node, path string, target reflect.Value) {
	d.places[path] = at(node)
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		d.report(at(node), path, "anchors and aliases are not taken", "write the value out")
		return
	}
	if node.Kind == yaml.ScalarNode && node.Tag == "!!null" {
		return
	}
	if target.CanAddr() {
		if text, ok := target.Addr().Interface().(encoding.TextUnmarshaler); ok {
			if node.Kind != yaml.ScalarNode {
				d.wrongKind(node, path, "a text")
			} else if err := text.UnmarshalText([]byte(node.Value)); err != nil {
				d.report(at(node), path, err.Error(), "")
			}
			return
		}
	}
	switch {
	case target.Type() == durationType:
		d.duration(node, path, target)
	case target.Kind() == reflect.Pointer:
		made := reflect.New(target.Type().Elem())
		d.into(node, path, made.Elem())
		target.Set(made)
	case target.Kind() == reflect.Struct:
		d.structure(node, path, target)
	case target.Kind() == reflect.Slice:
		d.list(node, path, target)
	case target.Kind() == reflect.Map:
		d.mapping(node, path, target)
	default:
		d.scalar(node, path, target)
	}
}

func kindName(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch node.Tag {
		case "!!int", "!!float":
			return "a number"
		case "!!bool":
			return "true or false"
		}
		return "a text"
	default:
		return "something else"
	}
}

func (d *decoder) wrongKind(node *yaml.Node, path, needed string) {
	d.report(at(node), path, fmt.Sprintf("%s is here, %s is needed", kindName(node), needed), "")
}

func (d *decoder) duration(node *yaml.Node, path string, target reflect.Value) {
	if node.Kind != yaml.ScalarNode {
		d.wrongKind(node, path, "a duration")
		return
	}
	value, err := time.ParseDuration(node.Value)
	if err != nil || value < 0 {
		d.report(at(node), path, fmt.Sprintf("%q is no duration", node.Value), "write it as 150ms, 2.5s, 10m or 24h")
		return
	}
	target.SetInt(int64(value))
}

func (d *decoder) scalar(node *yaml.Node, path string, target reflect.Value) {
	if node.Kind != yaml.ScalarNode {
		d.wrongKind(node, path, "a single value")
		return
	}
	switch target.Kind() {
	case reflect.String:
		if node.Tag != "!!str" {
			d.report(at(node), path, fmt.Sprintf("%s is here, a text is needed", kindName(node)), "put it in quotes")
			return
		}
		target.SetString(node.Value)
	case reflect.Bool:
		value, err := strconv.ParseBool(node.Value)
		if err != nil || node.Tag != "!!bool" {
			d.wrongKind(node, path, "true or false")
			return
		}
		target.SetBool(value)
	case reflect.Int, reflect.Int32, reflect.Int64:
		value, err := strconv.ParseInt(node.Value, 10, target.Type().Bits())
		if err != nil || node.Tag != "!!int" {
			d.wrongKind(node, path, "a whole number")
			return
		}
		target.SetInt(value)
	case reflect.Uint8, reflect.Uint, reflect.Uint32, reflect.Uint64:
		value, err := strconv.ParseUint(node.Value, 10, target.Type().Bits())
		if err != nil || node.Tag != "!!int" {
			d.wrongKind(node, path, fmt.Sprintf("a whole number from 0 to %d", uint64(1)<<(target.Type().Bits()-1)*2-1))
			return
		}
		target.SetUint(value)
	case reflect.Float64:
		value, err := strconv.ParseFloat(node.Value, 64)
		if err != nil {
			d.wrongKind(node, path, "a number")
			return
		}
		target.SetFloat(value)
	default:
		d.report(at(node), path, "cannot be set in a file", "")
	}
}

func (d *decoder) list(node *yaml.Node, path string, target reflect.Value) {
	if node.Kind != yaml.SequenceNode {
		d.wrongKind(node, path, "a list")
		return
	}
	made := reflect.MakeSlice(target.Type(), len(node.Content), len(node.Content))
	for i, item := range node.Content {
		d.into(item, fmt.Sprintf("%s[%d]", path, i), made.Index(i))
	}
	target.Set(made)
}

func (d *decoder) mapping(node *yaml.Node, path string, target reflect.Value) {
	made := reflect.MakeMap(target.Type())
	for _, pair := range d.pairs(node, path) {
		value := reflect.New(target.Type().Elem()).Elem()
		d.into(pair.value, join(path, pair.key.Value), value)
		made.SetMapIndex(reflect.ValueOf(pair.key.Value), value)
	}
	target.Set(made)
}

type pair struct{ key, value *yaml.Node }

func (d *decoder) pairs(node *yaml.Node, path string) []pair {
	if node.Kind != yaml.MappingNode {
		d.wrongKind(node, path, "a mapping")
		return nil
	}
	var found []pair
	seen := map[string]place{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if first, twice := seen[key.Value]; twice {
			d.report(at(key), join(path, key.Value), fmt.Sprintf("is here a second time, first in line %d", first.line), "")
			continue
		}
		seen[key.Value] = at(key)
		found = append(found, pair{key, node.Content[i+1]})
	}
	return found
}

// fields are the names that target takes, in the order of the struct, and where each is. Inlined structs count as its own.
func fields(target reflect.Value) (names []string, places map[string]reflect.Value) {
	places = map[string]reflect.Value{}
	for i := range target.NumField() {
		tag, ok := target.Type().Field(i).Tag.Lookup("yaml")
		if !ok || tag == "-" {
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if options == "inline" {
			inner, found := fields(target.Field(i))
			names = append(names, inner...)
			for name, value := range found {
				places[name] = value
			}
			continue
		}
		names = append(names, name)
		places[name] = target.Field(i)
	}
	return names, places
}

func (d *decoder) structure(node *yaml.Node, path string, target reflect.Value) {
	names, places := fields(target)
	for _, pair := range d.pairs(node, path) {
		name := pair.key.Value
		value, ok := places[name]
		if !ok {
			d.unknown(pair.key, path, names)
			continue
		}
		d.into(pair.value, join(path, name), value)
		d.places[join(path, name)] = at(pair.key)
	}
}

func (d *decoder) unknown(key *yaml.Node, path string, names []string) {
	hint := "one of " + strings.Join(names, ", ") + " is needed"
	if near := nearest(key.Value, names); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	d.report(at(key), join(path, key.Value), "no such option", hint)
}

// nearest is the name that is at most two typing errors away from found, or empty.
func nearest(found string, names []string) string {
	best, distance := "", 3
	for _, name := range names {
		if strings.EqualFold(name, found) {
			return name
		}
		if d := edits(found, name); d < distance {
			best, distance = name, d
		}
	}
	return best
}

func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		diagonal := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := diagonal
			if a[i-1] != b[j-1] {
				cost++
			}
			diagonal = row[j]
			row[j] = slices.Min([]int{cost, row[j] + 1, row[j-1] + 1})
		}
	}
	return row[len(b)]
}
