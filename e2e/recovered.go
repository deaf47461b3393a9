package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
)

// What lies in etcd and has no REST form to compare with.
var unserved = []string{"/registry/ranges/", "/registry/masterleases/", "/registry/peerserverleases/"}

// entry is a line of the index that `k8senc decrypt` writes.
type entry struct {
	EtcdKey  string
	Revision int64
	Resource string
	Outcome  string
	File     string
	Provider string
	Code     string
	Text     string
	Moved    bool
	Complete *bool
}

// comparison says how decrypted objects compare with the API's own answer.
type comparison struct {
	same     int
	unserved int
	// changed since the snapshot, by resource.
	changed map[string]int
	faults  []string
}

// decryptAll has k8senc write every object of a snapshot into a folder.
func (r *run) decryptAll(ctx context.Context, snapshot, config, folder string, kms []string) ([]entry, error) {
	said, err := r.k8senc(ctx, append([]string{"decrypt", snapshot, "--all", "--config", config, "--format", "json", "--output", folder, "--yes"}, kms...)...)
	if err != nil {
		return nil, err
	}
	if said.code != 0 {
		return nil, fmt.Errorf("k8senc decrypt ended with %d: %s", said.code, said.stderr)
	}
	return readIndex(filepath.Join(folder, "index.jsonl"))
}

func readIndex(path string) ([]entry, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var all []entry
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	complete := false
	for lines.Scan() {
		var one entry
		if err := json.Unmarshal(lines.Bytes(), &one); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if one.Complete != nil {
			complete = *one.Complete
			continue
		}
		all = append(all, one)
	}
	if !complete {
		return nil, fmt.Errorf("%s does not say that it is complete", path)
	}
	return all, lines.Err()
}

// compare asks the server for every decrypted object and holds the two against each other.
func (r *run) compare(ctx context.Context, c clients, folder string, entries []entry) (comparison, error) {
	result := comparison{changed: map[string]int{}}
	groups, err := restmapper.GetAPIGroupResources(c.typed.Discovery())
	if err != nil {
		return result, err
	}
	mapper := restmapper.NewDiscoveryRESTMapper(groups)
	for _, one := range entries {
		if one.Resource == "" || slices.ContainsFunc(unserved, func(prefix string) bool { return strings.HasPrefix(one.EtcdKey, prefix) }) {
			result.unserved++
			continue
		}
		if one.Outcome != "written" {
			result.faults = append(result.faults, fmt.Sprintf("%s: %s %s %s", one.EtcdKey, one.Outcome, one.Code, one.Text))
			continue
		}
		ours, err := readObject(filepath.Join(folder, one.File))
		if err != nil {
			return result, err
		}
		kind := ours.GroupVersionKind()
		mapping, err := mapper.RESTMapping(kind.GroupKind(), kind.Version)
		if err != nil {
			result.unserved++
			continue
		}
		theirs, err := fetch(ctx, c.dynamic, mapping.Resource, ours)
		if apierrors.IsNotFound(err) {
			result.changed[one.Resource]++
			continue
		}
		if err != nil {
			return result, fmt.Errorf("%s: %w", one.EtcdKey, err)
		}
		if theirs.GetResourceVersion() != strconv.FormatInt(one.Revision, 10) {
			result.changed[one.Resource]++
			continue
		}
		theirs.SetResourceVersion("")
		if difference := firstDifference("", ours.Object, theirs.Object); difference != "" {
			result.faults = append(result.faults, one.EtcdKey+difference)
			continue
		}
		result.same++
	}
	return result, nil
}

func fetch(ctx context.Context, client dynamic.Interface, resource schema.GroupVersionResource, like *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if like.GetNamespace() == "" {
		return client.Resource(resource).Get(ctx, like.GetName(), metav1.GetOptions{})
	}
	return client.Resource(resource).Namespace(like.GetNamespace()).Get(ctx, like.GetName(), metav1.GetOptions{})
}

func readObject(path string) (*unstructured.Unstructured, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	object := &unstructured.Unstructured{}
	if err := object.UnmarshalJSON(text); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return object, nil
}

// firstDifference is where two JSON values part, and how; empty if they are equal.
func firstDifference(path string, ours, theirs any) string {
	a, isMap := ours.(map[string]any)
	b, both := theirs.(map[string]any)
	if isMap && both {
		names := make([]string, 0, len(a)+len(b))
		for name := range a {
			names = append(names, name)
		}
		for name := range b {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			one, inOurs := a[name]
			other, inTheirs := b[name]
			if inOurs != inTheirs {
				return fmt.Sprintf("%s.%s: ours %s, the API's %s", path, name, shown(one, inOurs), shown(other, inTheirs))
			}
			if difference := firstDifference(path+"."+name, one, other); difference != "" {
				return difference
			}
		}
		return ""
	}
	if reflect.DeepEqual(ours, theirs) {
		return ""
	}
	return fmt.Sprintf("%s: ours %s, the API's %s", path, shown(ours, true), shown(theirs, true))
}

func shown(value any, there bool) string {
	if !there {
		return "absent"
	}
	text, err := json.Marshal(value)
	if err != nil {
		return err.Error()
	}
	return strings.ToValidUTF8(string(text[:min(len(text), 120)]), "?")
}
