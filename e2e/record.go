package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	k8senc "github.com/k8senc/k8senc/bindings-c/go"
)

// recording is what a run leaves for the vectors: stored values of real servers. conformance-vectors/gen reads it.
type recording struct {
	Format int               `json:"format"`
	Source map[string]string `json:"source"`
	Config string            `json:"config"`
	// KeyIDs are what Status of each KMS v2 provider says.
	KeyIDs map[string]string `json:"keyIds"`
	Values []recorded        `json:"values"`
	// providers are those of the configuration.
	providers []provider
}

type recorded struct {
	ID       string   `json:"id"`
	Why      string   `json:"why"`
	Resource string   `json:"resource"`
	EtcdKey  string   `json:"etcdKey"`
	Stored   hexBytes `json:"stored"`
	// EncryptedDEK and DEK are what the plugin was asked and answered; KMS only.
	EncryptedDEK hexBytes `json:"encryptedDek,omitempty"`
	DEK          hexBytes `json:"dek,omitempty"`
}

// collect takes one small object of each kind under each provider.
func (r *run) collect(ctx context.Context, w *world, release string) error {
	if r.record == "" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.recorded.KeyIDs == nil {
		r.recorded.KeyIDs = map[string]string{}
	}
	if len(w.all) > len(r.recorded.providers) {
		r.recorded.providers = w.all
		nowhere := slices.Clone(w.all)
		for i := range nowhere {
			if nowhere[i].endpoint != "" {
				nowhere[i].endpoint = "unix:///run/" + nowhere[i].name + ".sock"
			}
		}
		// The newest provider writes, so that there are fresh values.
		slices.Reverse(nowhere)
		r.recorded.Config = string(configOf(nowhere...))
	}
	places := map[string]string{"secrets": "secrets", "configmaps": "configmaps"}
	if w.encryptsWidgets {
		places[widgets.Resource+"."+widgets.Group] = widgets.Group + "/" + widgets.Resource
	}
	for resource, place := range places {
		for _, p := range w.all {
			key := "/registry/" + place + "/" + p.name + "/of-15-bytes"
			values, err := stored(ctx, w.etcd, key)
			if err != nil || values[key] == nil {
				return fmt.Errorf("%s cannot be recorded: %w", key, err)
			}
			one := recorded{
				ID:       release + "-" + p.name + "-" + resource,
				Why:      "what the real kube-apiserver " + release + " stored in " + resource + " with " + p.name,
				Resource: resource, EtcdKey: key, Stored: values[key],
			}
			if strings.HasPrefix(p.kind, "kms") {
				seen, err := k8senc.Inspect(values[key])
				if err != nil {
					return err
				}
				one.EncryptedDEK = seen.EncryptedDEK
				if p.kind == "kms-v2" {
					r.recorded.KeyIDs[p.name] = seen.KeyID
				}
				if one.DEK, err = w.wrappers[p.name].Unwrap(seen.EncryptedDEK, seen.KeyID); err != nil {
					return err
				}
			}
			r.recorded.Values = append(r.recorded.Values, one)
		}
	}
	return nil
}

// writeRecording writes the file when all was proven.
func (r *run) writeRecording() error {
	if r.record == "" {
		return nil
	}
	r.recorded.Format = 1
	r.recorded.Source = map[string]string{"kube-apiserver": r.release, "oldest kube-apiserver": r.oldRelease, "etcd": r.etcdRelease}
	slices.SortFunc(r.recorded.Values, func(a, b recorded) int { return strings.Compare(a.ID, b.ID) })
	text, err := json.MarshalIndent(r.recorded, "", " ")
	if err != nil {
		return err
	}
	r.Say("%d stored values are recorded in %s", len(r.recorded.Values), r.record)
	return os.WriteFile(r.record, append(text, '\n'), 0o644)
}
