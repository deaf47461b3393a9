package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"runtime/debug"
	"sort"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes/scheme"
)

// typesFile is the table that k8s-object decodes protobuf with, seen from the folder of the vectors.
const typesFile = "../k8s-object/src/types.txt"

// protoMessage is what every generated type has, since ProtoMessage itself is behind a build tag.
type protoMessage interface {
	Size() int
	MarshalToSizedBuffer([]byte) (int, error)
	Unmarshal([]byte) error
}

// specialTypes have a JSON form of their own.
var specialTypes = map[reflect.Type]string{
	reflect.TypeOf(metav1.Time{}):          "T",
	reflect.TypeOf(metav1.MicroTime{}):     "M",
	reflect.TypeOf(metav1.Duration{}):      "D",
	reflect.TypeOf(resource.Quantity{}):    "Q",
	reflect.TypeOf(intstr.IntOrString{}):   "I",
	reflect.TypeOf(runtime.RawExtension{}): "R",
	reflect.TypeOf(metav1.FieldsV1{}):      "F",
}

// storedKinds are the built-in kinds with metadata and a protobuf form, by apiVersion and kind.
func storedKinds() []schema.GroupVersionKind {
	var kinds []schema.GroupVersionKind
	for gvk, t := range scheme.Scheme.AllKnownTypes() {
		_, named := t.FieldByName("ObjectMeta")
		if _, proto := reflect.New(t).Interface().(protoMessage); named && proto && gvk.Version != runtime.APIVersionInternal {
			kinds = append(kinds, gvk)
		}
	}
	sort.Slice(kinds, func(i, j int) bool {
		a, b := kinds[i], kinds[j]
		return a.GroupVersion().String()+" "+a.Kind < b.GroupVersion().String()+" "+b.Kind
	})
	return kinds
}

// typeTable writes down the messages of all stored kinds.
type typeTable struct {
	index map[reflect.Type]int
	names []string
	lines [][]string
}

func (t *typeTable) message(of reflect.Type) int {
	if at, ok := t.index[of]; ok {
		return at
	}
	at := len(t.lines)
	t.index[of] = at
	t.lines = append(t.lines, nil)
	pkg := of.PkgPath()
	t.names = append(t.names, pkg[strings.LastIndex(pkg[:strings.LastIndex(pkg, "/")], "/")+1:]+"."+of.Name())
	var lines []string
	for i := range of.NumField() {
		if line := t.field(of, of.Field(i)); line != "" {
			lines = append(lines, line)
		}
	}
	t.lines[at] = lines
	return at
}

func (t *typeTable) field(of reflect.Type, f reflect.StructField) string {
	proto, jsonTag := f.Tag.Get("protobuf"), strings.Split(f.Tag.Get("json"), ",")
	if proto == "" {
		if f.Name != "TypeMeta" {
			fatal("%s.%s has no protobuf tag", of, f.Name)
		}
		return ""
	}
	number := strings.Split(proto, ",")[1]
	name, omit := jsonTag[0], "="
	if jsonTag[0] == "-" {
		return ""
	}
	inline := name == "" && f.Anonymous
	for _, option := range jsonTag[1:] {
		switch option {
		case "omitempty":
			if omit == "=" {
				omit = "-"
			}
		case "omitzero":
			omit = "0"
		case "inline":
		default:
			fatal("%s.%s: json option %q", of, f.Name, option)
		}
	}
	ft, card := f.Type, "1"
	switch {
	case inline:
		if ft.Kind() == reflect.Pointer {
			fatal("%s.%s: inline pointer", of, f.Name)
		}
		name, card = "-", "+"
	case name == "":
		name = f.Name
	}
	switch {
	case ft.Kind() == reflect.Pointer:
		ft, card = ft.Elem(), "?"
		if ft.Kind() == reflect.Slice || ft.Kind() == reflect.Map {
			if _, wrapped := reflect.New(ft).Interface().(protoMessage); !wrapped {
				fatal("%s.%s: pointer to %s", of, f.Name, ft)
			}
		}
	case ft.Kind() == reflect.Map:
		if ft.Key().Kind() != reflect.String {
			fatal("%s.%s: map by %s", of, f.Name, ft.Key())
		}
		ft, card = ft.Elem(), "%"
	case ft.Kind() == reflect.Slice && ft.Elem().Kind() != reflect.Uint8:
		if _, wrapped := reflect.New(ft).Interface().(protoMessage); wrapped {
			break
		}
		ft, card = ft.Elem(), "*"
		if ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
	}
	return fmt.Sprintf("%s %s %s%s%s", number, name, card, omit, t.kind(of, f, ft))
}

func (t *typeTable) kind(of reflect.Type, f reflect.StructField, ft reflect.Type) string {
	if special, ok := specialTypes[ft]; ok {
		return special
	}
	if _, own := reflect.New(ft).Interface().(json.Marshaler); own {
		fatal("%s.%s: %s has a JSON form that is not known here", of, f.Name, ft)
	}
	switch ft.Kind() {
	case reflect.String:
		return "s"
	case reflect.Bool:
		return "b"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "i"
	case reflect.Float64:
		return "d"
	case reflect.Struct:
		return fmt.Sprint(t.message(ft))
	case reflect.Slice:
		if ft.Elem().Kind() == reflect.Uint8 {
			return "x"
		}
		if _, wrapped := reflect.New(ft).Interface().(protoMessage); wrapped && ft.Elem().Kind() == reflect.String {
			return "w"
		}
	}
	fatal("%s.%s: no rule for %s", of, f.Name, ft)
	return ""
}

func apiVersion() string {
	info, _ := debug.ReadBuildInfo()
	for _, d := range info.Deps {
		if d.Path == "k8s.io/api" {
			return d.Version
		}
	}
	fatal("no k8s.io/api in the build information")
	return ""
}

func builtinTypes() string {
	t := &typeTable{index: map[reflect.Type]int{}}
	var kinds strings.Builder
	for _, gvk := range storedKinds() {
		fmt.Fprintf(&kinds, "%s %s %d\n", gvk.GroupVersion(), gvk.Kind, t.message(scheme.Scheme.AllKnownTypes()[gvk]))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# The built-in types of k8s.io/api %s; written by conformance-vectors/gen, not by hand.\n", apiVersion())
	b.WriteString("# kind: apiVersion, kind, message. message: number and name, then a field a line: number, JSON name, how often, when left out, type.\n")
	b.WriteString(kinds.String())
	for at, lines := range t.lines {
		fmt.Fprintf(&b, "\n%d %s\n", at, t.names[at])
		for _, line := range lines {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

func writeTypes(dir string) {
	must(os.WriteFile(filepath.Join(dir, typesFile), []byte(builtinTypes()), 0o644))
}

func typesDiffer(dir string) bool {
	have, err := os.ReadFile(filepath.Join(dir, typesFile))
	return err != nil || string(have) != builtinTypes()
}
