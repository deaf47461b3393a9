package main

import (
	"bytes"
	"context"
	"sort"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
)

// sampleExpectation is sample/expected.json.
type sampleExpectation struct {
	Format   int               `json:"format"`
	Source   map[string]string `json:"source"`
	Snapshot struct {
		File            string `json:"file"`
		Bytes           int    `json:"bytes"`
		SHA256          string `json:"sha256"`
		Revision        int64  `json:"revision"`
		CompactRevision int64  `json:"compactRevision"`
		LiveKeys        int    `json:"liveKeys"`
		Rows            int    `json:"rows"`
		Tombstones      int    `json:"tombstones"`
		DeletedKeys     int    `json:"deletedKeys"`
	} `json:"snapshot"`
	DistinctDEKs map[string]dekCount      `json:"distinctDeks"`
	Resources    map[string]resourceCount `json:"resources"`
	Groups       []*groupCount            `json:"groups"`
	PlaintextOf  []string                 `json:"livePlaintextSecrets"`
	Unreadable   []unreadable             `json:"unreadable"`
	Other        []string                 `json:"otherKeys"`
}

// dekCount is how many Decrypt calls reading every value costs.
type dekCount struct {
	Live int `json:"live"`
	All  int `json:"all"`
}

// resourceCount sums the groups of one resource.
type resourceCount struct {
	Covered           bool `json:"covered"`
	Live              int  `json:"live"`
	LivePlaintext     int  `json:"livePlaintext"`
	LiveStale         int  `json:"liveStale"`
	LiveUnreadable    int  `json:"liveUnreadable"`
	History           int  `json:"history"`
	HistoryPlaintext  int  `json:"historyPlaintext"`
	HistoryUnreadable int  `json:"historyUnreadable"`
	DeletedKeys       int  `json:"deletedKeys"`
}

// groupCount is one line: resource, provider, key.
type groupCount struct {
	label
	Live              int            `json:"live"`
	Stale             int            `json:"stale"`
	StaleWhy          map[string]int `json:"staleWhy,omitempty"`
	Unreadable        int            `json:"unreadable"`
	History           int            `json:"history"`
	HistoryUnreadable int            `json:"historyUnreadable"`
}

// unreadable is one value that does not open, or opens to no object.
type unreadable struct {
	EtcdKey    *string `json:"etcdKey,omitempty"`
	EtcdKeyHex *string `json:"etcdKeyHex,omitempty"`
	Revision   int64   `json:"revision"`
	What       string  `json:"what"`
	CopiedFrom string  `json:"copiedFrom,omitempty"`
	Code       string  `json:"code"`
	Upstream   string  `json:"upstream"`
}

// staleReasons says why a label is stale under the sample's configuration.
func staleReasons(l label) []string {
	var why []string
	firstProvider := map[string]string{"secrets": "kmsv2", "configmaps": "aesgcm", "events": "aescbc", "widgets.example.com": "secretbox", "gadgets.example.com": "secretbox"}
	firstKey := map[string]string{"kmsv2": "cloud-kms", "events/aescbc": "events-2026", "secrets/aescbc": cbcNew, "secrets/secretbox": "sb-2024",
		"configmaps/aesgcm": "2026-q4", "widgets.example.com/secretbox": "crd-2026-07-01T00:00:00Z", "gadgets.example.com/secretbox": "crd-2026-07-01T00:00:00Z"}
	if first, ok := firstProvider[l.Resource]; ok && first != l.Provider {
		why = append(why, "not-first-provider")
	}
	if first, ok := firstKey[l.Resource+"/"+l.Provider]; ok && first != l.Key {
		why = append(why, "not-first-key")
	}
	if l.Form == "cbc" {
		why = append(why, "kmsv1-cbc-body")
	}
	if l.Provider == "kmsv2" && l.KeyID != kekNow {
		why = append(why, "key-id")
	}
	if l.Provider == "kmsv2" && l.Form == "key" {
		why = append(why, "source-type")
	}
	return why
}

// expectSample opens every row with the real code under the sample's configuration and counts.
func expectSample(f *filling, s *sampleSet) *sampleExpectation {
	undo := installPlugins([]*plugin{s.v1.plugin("main", false, nil)}, map[string]*plugin{"cloud-kms": s.cloud.plugin(kekNow, false, nil)})
	defer undo()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	c, _, err := load(ctx, s.config, false)
	must(err)
	chains := encryptionconfig.StaticTransformers(c.Transformers)

	e := &sampleExpectation{Format: formatVersion, Source: source(), DistinctDEKs: map[string]dekCount{}, Resources: map[string]resourceCount{}}
	e.Source["program"] = "gen/sample.go"
	e.Snapshot.File, e.Snapshot.CompactRevision, e.Snapshot.Rows = "snapshot.db", s.compacted, len(f.rows)
	newest := map[string]int{}
	for i, r := range f.rows {
		newest[r.key] = i
		e.Snapshot.Revision = max(e.Snapshot.Revision, r.revision)
		if r.deleted {
			e.Snapshot.Tombstones++
		}
	}
	groups := map[label]*groupCount{}
	deks := map[string]map[string]bool{} // plugin, then DEK to whether a live value uses it
	for i, r := range f.rows {
		live := newest[r.key] == i
		if r.deleted {
			if live {
				e.Snapshot.DeletedKeys++
				l := f.labelOf(r.key)
				n := e.Resources[l.Resource]
				n.DeletedKeys++
				e.Resources[l.Resource] = n
			}
			continue
		}
		if live {
			e.Snapshot.LiveKeys++
		}
		if r.label.Resource == "" {
			e.Other = append(e.Other, r.key)
			continue
		}
		g := groups[r.label]
		if g == nil {
			g = &groupCount{label: r.label}
			groups[r.label] = g
		}
		n := e.Resources[r.label.Resource]
		n.Covered = r.label.Resource != "leases.coordination.k8s.io"
		o := open(ctx, chains.TransformerForResource(schema.ParseGroupResource(r.label.Resource)), r.value, []byte(r.key))
		bad := o.err != nil || o.panic != "" || r.why == "opens to no object"
		if (r.why != "") != bad {
			fatal("sample: %q opens as %v, it was meant to be %q", r.key, o.err, r.why)
		}
		if !bad && !bytes.Equal(o.out, r.plain) {
			fatal("sample: %q opens to something else", r.key)
		}
		if bad {
			u := unreadable{Revision: r.revision, What: r.why}
			if utf8.ValidString(r.key) {
				u.EtcdKey = &r.key
			} else {
				u.EtcdKeyHex = hexed([]byte(r.key))
			}
			if o.err != nil {
				u.Code, u.Upstream = codeOf(r.key, o.err, nil), o.err.Error()
			} else {
				u.Code = "not-an-object"
			}
			if r.why == "copied" {
				u.CopiedFrom = s.copied
			}
			e.Unreadable = append(e.Unreadable, u)
		} else if why := staleReasons(r.label); (len(why) > 0) != o.stale {
			fatal("sample: %q: stale is %v, reasons %v", r.key, o.stale, why)
		}
		plain := r.label.Provider == "identity"
		switch {
		case live:
			g.Live++
			n.Live++
			if plain {
				n.LivePlaintext++
				if r.label.Resource == "secrets" {
					e.PlaintextOf = append(e.PlaintextOf, r.key)
				}
			}
			if bad {
				g.Unreadable++
				n.LiveUnreadable++
			} else if o.stale {
				g.Stale++
				n.LiveStale++
				for _, w := range staleReasons(r.label) {
					if g.StaleWhy == nil {
						g.StaleWhy = map[string]int{}
					}
					g.StaleWhy[w]++
				}
			}
		default:
			g.History++
			n.History++
			if plain {
				n.HistoryPlaintext++
			}
			if bad {
				g.HistoryUnreadable++
				n.HistoryUnreadable++
			}
		}
		e.Resources[r.label.Resource] = n
		if r.dek != "" {
			of := deks[r.label.Key]
			if of == nil {
				of = map[string]bool{}
				deks[r.label.Key] = of
			}
			of[r.dek] = of[r.dek] || live
		}
	}
	for plugin, of := range deks {
		n := dekCount{All: len(of)}
		for _, live := range of {
			if live {
				n.Live++
			}
		}
		e.DistinctDEKs[plugin] = n
	}
	for _, g := range groups {
		e.Groups = append(e.Groups, g)
	}
	sort.Slice(e.Groups, func(i, j int) bool { return lessLabel(e.Groups[i].label, e.Groups[j].label) })
	sort.Strings(e.PlaintextOf)
	return e
}

func lessLabel(a, b label) bool {
	x := []string{a.Resource, a.Provider, a.Key, a.KeyID, a.Form}
	for i, y := range []string{b.Resource, b.Provider, b.Key, b.KeyID, b.Form} {
		if x[i] != y {
			return x[i] < y
		}
	}
	return false
}

// labelOf is the label of the newest put of key.
func (f *filling) labelOf(key string) label {
	for i := len(f.rows) - 1; i >= 0; i-- {
		if f.rows[i].key == key && !f.rows[i].deleted {
			return f.rows[i].label
		}
	}
	return label{}
}
