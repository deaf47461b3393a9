package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/protobuf/proto"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
	aestransformer "k8s.io/apiserver/pkg/storage/value/encrypt/aes"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope"
)

// label says how a row was written: one line of the expectations.
type label struct {
	Resource string `json:"resource"`
	Provider string `json:"provider"`      // identity, aescbc, aesgcm, secretbox, kmsv1, kmsv2
	Key      string `json:"key,omitempty"` // key name, or KMS provider name
	KeyID    string `json:"keyId,omitempty"`
	Form     string `json:"form,omitempty"` // kmsv1: gcm or cbc body; kmsv2: seed or key
}

// row is one put or delete, as it was made.
type row struct {
	key      string
	value    []byte
	revision int64
	deleted  bool
	label    label
	plain    []byte // what was meant to be stored
	why      string // what is wrong with it, when something is
	dek      string // which DEK seals it, when a KMS does
}

// filling is a real etcd being filled through real transformers.
type filling struct {
	client *clientv3.Client
	lease  clientv3.LeaseID
	rows   []row
}

// era is one configuration that an API server once ran with.
type era struct {
	f      *filling
	chain  encryptionconfig.StaticTransformers
	labels map[string]label // resource to what the first provider writes
	wraps  *localKMS
	stop   func()
}

// localKEKs is sample/local-kek.json.
type localKEKs struct {
	Format  int                    `json:"format"`
	Note    string                 `json:"note"`
	Plugins map[string]localPlugin `json:"plugins"`
}

// localPlugin holds the KEKs of one KMS provider. For KMS v2 they are named by
// key_id; for v1, which has no key_id, by names of our own, tried in any order.
type localPlugin struct {
	APIVersion   string            `json:"apiVersion"`
	CurrentKeyID string            `json:"currentKeyId,omitempty"`
	UsesSeed     *bool             `json:"usesSeed,omitempty"`
	KEKs         map[string]string `json:"keks"`
}

// localKMS wraps with AES-256-GCM: nonce (12), ciphertext, tag (16), no AAD.
type localKMS struct {
	keks  map[string][]byte
	last  string            // the last wrapped DEK, hex of the ciphertext
	known map[string][]byte // ciphertext to DEK
}

func (k *localKMS) wrap(keyID string, dek []byte) []byte {
	nonce := make([]byte, 12)
	_, _ = rand.Read(nonce)
	out := gcm(k.keks[keyID], nonce, dek, nil)
	k.last = hex.EncodeToString(out)
	return out
}

func (k *localKMS) unwrap(keyID string, wrapped []byte) ([]byte, error) {
	for id, kek := range k.keks {
		if keyID != "" && id != keyID || len(wrapped) < 12 {
			continue
		}
		b, err := aes.NewCipher(kek)
		if err != nil {
			return nil, err
		}
		g, err := cipher.NewGCM(b)
		if err != nil {
			return nil, err
		}
		if dek, err := g.Open(nil, wrapped[:12], wrapped[12:], nil); err == nil {
			return dek, nil
		}
	}
	return nil, errors.New("local KEK: not wrapped by a KEK of this plugin")
}

// plugin makes a fake plugin on top of k.
func (k *localKMS) plugin(keyID string, useKey bool, annotations map[string][]byte) *plugin {
	return &plugin{keyID: keyID, useKey: useKey, annotations: annotations,
		wrap:   func(dek []byte) []byte { return k.wrap(keyID, dek) },
		unwrap: func(q question) ([]byte, error) { return k.unwrap(q.keyID, q.ciphertext) },
	}
}

// start loads a configuration as an API server would and returns its chains.
func (f *filling) start(text string, v1 []*plugin, v2 map[string]*plugin, wraps *localKMS, labels map[string]label) *era {
	undo := installPlugins(v1, v2)
	for _, p := range v1 {
		p.v1 = true
	}
	ctx, cancel := context.WithCancel(context.Background())
	c, _, err := load(ctx, text, false)
	if err != nil {
		fatal("sample configuration does not load: %v\n%s", err, text)
	}
	return &era{f: f, chain: c.Transformers, labels: labels, wraps: wraps, stop: func() { cancel(); undo() }}
}

func (e *era) seal(resource, key string, plain []byte) []byte {
	t := e.chain.TransformerForResource(schema.ParseGroupResource(resource))
	out, err := t.TransformToStorage(context.Background(), plain, value.DefaultContext(key))
	if err != nil {
		fatal("sample: %s: %v", key, err)
	}
	return out
}

// put seals plain and stores it.
func (e *era) put(resource, key string, plain []byte) {
	l, ok := e.labels[resource]
	if !ok {
		l = label{Provider: "identity"}
	}
	l.Resource = resource
	sealed := e.seal(resource, key, plain)
	r := row{key: key, value: sealed, label: l, plain: plain}
	if strings.HasPrefix(l.Provider, "kms") && e.wraps != nil {
		r.dek = e.wraps.last
	}
	e.f.store(r)
}

// store writes a row to etcd as it is.
func (f *filling) store(r row) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	var opts []clientv3.OpOption
	if r.label.Resource == "events" {
		opts = append(opts, clientv3.WithLease(f.lease))
	}
	resp, err := f.client.Put(ctx, r.key, string(r.value), opts...)
	must(err)
	r.revision = resp.Header.Revision
	f.rows = append(f.rows, r)
}

func (f *filling) remove(key string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resp, err := f.client.Delete(ctx, key)
	must(err)
	if resp.Deleted != 1 {
		fatal("sample: %s was not there to delete", key)
	}
	f.rows = append(f.rows, row{key: key, deleted: true, revision: resp.Header.Revision})
}

// live is the newest row of key.
func (f *filling) live(key string) row {
	for i := len(f.rows) - 1; i >= 0; i-- {
		if f.rows[i].key == key {
			return f.rows[i]
		}
	}
	fatal("sample: %s was never written", key)
	return row{}
}

// compact drops what etcd drops: superseded rows up to the revision.
func (f *filling) compact() int64 {
	at := f.rows[len(f.rows)-1].revision
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, err := f.client.Compact(ctx, at, clientv3.WithCompactPhysical())
	must(err)
	newest := map[string]int64{}
	for _, r := range f.rows {
		newest[r.key] = r.revision
	}
	var kept []row
	for _, r := range f.rows {
		if newest[r.key] == r.revision && !r.deleted {
			kept = append(kept, r)
		}
	}
	f.rows = kept
	return at
}

// oldEnvelope is the KMS v1 writer of 1.8 to 1.24: the real envelope over a CBC body.
func oldEnvelope(p *plugin) value.Transformer {
	p.v1 = true
	return envelope.NewEnvelopeTransformer(v1Service{p}, 1000, func(b cipher.Block) (value.Transformer, error) {
		return aestransformer.NewCBCTransformer(b), nil
	})
}

// startEtcd builds and runs the etcd of its own module; the returned function stops it.
func startEtcd() (version, endpoint string, stop func()) {
	binary := filepath.Join(workDir, "etcd36")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir = "etcd36"
	build.Stderr = os.Stderr
	must(build.Run())
	cmd := exec.Command(binary)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(err)
	out, err := cmd.StdoutPipe()
	must(err)
	must(cmd.Start())
	line, err := bufio.NewReader(out).ReadString('\n')
	must(err)
	fields := strings.Fields(line)
	if len(fields) != 2 {
		fatal("etcd36 said %q", line)
	}
	return fields[0], fields[1], func() { _ = in.Close(); _ = cmd.Wait() }
}

// writeSample fills an etcd and writes the snapshot and what is true of it.
func writeSample(dir string) {
	randomTape.rewind("sample")
	version, endpoint, stop := startEtcd()
	defer stop()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	must(err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	lease, err := client.Grant(ctx, 3600)
	must(err)
	f := &filling{client: client, lease: lease.ID}
	s := fillSample(f)

	stream, err := client.Snapshot(ctx)
	must(err)
	snapshot, err := io.ReadAll(stream)
	must(err)
	sum := sha256.Sum256(snapshot[:len(snapshot)-32])
	if len(snapshot)%512 != 32 || !bytes.Equal(sum[:], snapshot[len(snapshot)-32:]) {
		fatal("sample: the snapshot's SHA-256 is not right")
	}
	crossCheck(f, snapshot[:len(snapshot)-32])

	must(os.MkdirAll(dir, 0o755))
	must(os.WriteFile(filepath.Join(dir, "snapshot.db"), snapshot, 0o644))
	must(os.WriteFile(filepath.Join(dir, "encryption-config.yaml"), []byte(s.config), 0o644))
	must(writeJSON(filepath.Join(dir, "local-kek.json"), s.keks))
	e := expectSample(f, s)
	e.Source["go.etcd.io/etcd/server/v3"] = "v" + version
	e.Snapshot.Bytes = len(snapshot)
	e.Snapshot.SHA256 = hex.EncodeToString(sum[:])
	must(writeJSON(filepath.Join(dir, "expected.json"), e))
	fmt.Printf("sample: %d bytes, revision %d, %d live keys, %d rows\n", len(snapshot), e.Snapshot.Revision, e.Snapshot.LiveKeys, e.Snapshot.Rows)
}

// crossCheck reads the file with bbolt and stops unless it holds exactly the rows we made.
func crossCheck(f *filling, db []byte) {
	path := filepath.Join(workDir, "check.db")
	must(os.WriteFile(path, db, 0o600))
	b, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true})
	must(err)
	defer b.Close()
	i := 0
	must(b.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("key")).ForEach(func(k, v []byte) error {
			var kv mvccpb.KeyValue
			if err := proto.Unmarshal(v, &kv); err != nil {
				return err
			}
			if i >= len(f.rows) {
				return fmt.Errorf("row %x is one too many", k)
			}
			want := f.rows[i]
			i++
			if main := int64(binary.BigEndian.Uint64(k)); main != want.revision || string(kv.Key) != want.key || (len(k) == 18) != want.deleted || !bytes.Equal(kv.Value, want.value) {
				return fmt.Errorf("row %d is revision %d of %q, expected %d of %q", i, main, kv.Key, want.revision, want.key)
			}
			return nil
		})
	}))
	if i != len(f.rows) {
		fatal("sample: %d rows in the file, %d written", i, len(f.rows))
	}
}
