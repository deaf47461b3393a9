// Makes the file that the benchmark reads, and reads it as a Go program would: bbolt, and the real Kubernetes transformers.
package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	"google.golang.org/protobuf/encoding/protowire"

	"k8s.io/apiserver/pkg/storage/value"
	aestransformer "k8s.io/apiserver/pkg/storage/value/encrypt/aes"
)

const (
	prefix    = "k8s:enc:aesgcm:v1:key1:"
	valueSize = 1536 // bytes of plaintext
	batch     = 5000 // puts in one transaction
)

var bucket = []byte("key")

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "crypto":
		return worker()
	case len(args) == 3 && (args[0] == "make" || args[0] == "remake"):
		n, err := strconv.Atoi(args[2])
		if err != nil {
			return err
		}
		return makeFile(args[1], n, args[0] == "remake")
	case len(args) == 3 && args[0] == "sha256":
		return rounds(args, func() (int, error) { return hashFile(args[1]) })
	case len(args) == 3:
		db, err := bolt.Open(args[1], 0o400, &bolt.Options{ReadOnly: true})
		if err != nil {
			return err
		}
		defer db.Close()
		passes := map[string]func(*bolt.DB) (int, error){"foreach": forEach, "classify": classify, "decrypt": decrypt}
		pass, ok := passes[args[0]]
		if !ok {
			break
		}
		return rounds(args, func() (int, error) { return pass(db) })
	}
	return errors.New("usage: bench crypto | make|remake FILE OBJECTS | foreach|classify|decrypt|sha256 FILE ROUNDS")
}

// rounds prints how long each of the passes took, in milliseconds: the first one on fresh page tables, the others warm.
func rounds(args []string, pass func() (int, error)) error {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return err
	}
	for range n {
		begin := time.Now()
		rows, err := pass()
		if err != nil {
			return err
		}
		fmt.Printf("%.3f %d\n", float64(time.Since(begin).Microseconds())/1000, rows)
	}
	return nil
}

func forEach(db *bolt.DB) (rows int, err error) {
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(k, v []byte) error {
			rows++
			return nil
		})
	})
	return rows, err
}

func classify(db *bolt.DB) (rows int, err error) {
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(_, v []byte) error {
			_, stored, err := parse(v)
			if err == nil && bytes.HasPrefix(stored, []byte(prefix)) {
				rows++
			}
			return err
		})
	})
	return rows, err
}

func decrypt(db *bolt.DB) (rows int, err error) {
	t, err := transformer()
	if err != nil {
		return 0, err
	}
	ctx := context.Background()
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket(bucket).ForEach(func(_, v []byte) error {
			key, stored, err := parse(v)
			if err != nil {
				return err
			}
			plain, _, err := t.TransformFromStorage(ctx, stored, value.DefaultContext(key))
			if err == nil && len(plain) > 0 {
				rows++
			}
			return err
		})
	})
	return rows, err
}

func hashFile(path string) (int, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	n, err := io.CopyBuffer(sha256.New(), struct{ io.Reader }{file}, make([]byte, 1<<20))
	return int(n), err
}

// parse takes the name and the value out of an mvccpb.KeyValue without a copy, the fastest a Go program may do it.
func parse(message []byte) (key, stored []byte, err error) {
	for len(message) > 0 {
		number, kind, n := protowire.ConsumeTag(message)
		if n < 0 {
			return nil, nil, protowire.ParseError(n)
		}
		message = message[n:]
		if kind != protowire.BytesType {
			n = protowire.ConsumeFieldValue(number, kind, message)
		} else {
			var field []byte
			field, n = protowire.ConsumeBytes(message)
			if number == 1 {
				key = field
			} else if number == 5 {
				stored = field
			}
		}
		if n < 0 {
			return nil, nil, protowire.ParseError(n)
		}
		message = message[n:]
	}
	return key, stored, nil
}

func aesKey() []byte {
	key := make([]byte, 32)
	for i := range key {
		key[i] = byte(i)
	}
	return key
}

func transformer() (value.Transformer, error) {
	block, err := aes.NewCipher(aesKey())
	if err != nil {
		return nil, err
	}
	gcm, err := aestransformer.NewGCMTransformer(block)
	if err != nil {
		return nil, err
	}
	return value.NewPrefixTransformers(errors.New("no matching prefix found"),
		value.PrefixTransformer{Prefix: []byte(prefix), Transformer: gcm}), nil
}

// makeFile writes what a snapshot of a cluster with n Secrets looks like, and the configuration that opens it; rewritten: after
// each was written once more and the first revisions were compacted, so that these lie in free pages.
func makeFile(path string, n int, rewritten bool) error {
	config := fmt.Sprintf("apiVersion: apiserver.config.k8s.io/v1\nkind: EncryptionConfiguration\nresources:\n  - resources: [secrets]\n"+
		"    providers:\n      - aesgcm: {keys: [{name: key1, secret: %s}]}\n      - identity: {}\n", base64.StdEncoding.EncodeToString(aesKey()))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "config.yaml"), []byte(config), 0o600); err != nil {
		return err
	}
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoFreelistSync: true, NoSync: true, PageSize: 4096})
	if err != nil {
		return err
	}
	if err := fill(db, n, rewritten); err != nil {
		return err
	}
	if err := db.Close(); err != nil {
		return err
	}
	return appendHash(path)
}

func fill(db *bolt.DB, n int, rewritten bool) error {
	t, err := transformer()
	if err != nil {
		return err
	}
	number := func(n uint64) []byte { return binary.BigEndian.AppendUint64(nil, n) }
	err = db.Update(func(tx *bolt.Tx) error {
		for _, name := range []string{"alarm", "auth", "authRoles", "authUsers", "cluster", "key", "lease", "members", "members_removed"} {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		meta, err := tx.CreateBucket([]byte("meta"))
		if err != nil {
			return err
		}
		return errors.Join(meta.Put([]byte("consistent_index"), number(uint64(n))), meta.Put([]byte("term"), number(2)))
	})
	if err != nil {
		return err
	}
	revisions := n
	if rewritten {
		revisions = 2 * n
	}
	for from := 0; from < revisions && err == nil; from += batch {
		err = db.Update(func(tx *bolt.Tx) error {
			rows := tx.Bucket(bucket)
			rows.FillPercent = 0.9 // as etcd does
			for i := from; i < min(from+batch, revisions); i++ {
				if err := put(rows, t, i%n, uint64(i+2)); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil || !rewritten {
		return err
	}
	return db.Update(func(tx *bolt.Tx) error {
		for i := range n {
			if err := tx.Bucket(bucket).Delete(rowKey(uint64(i + 2))); err != nil {
				return err
			}
		}
		return nil
	})
}

func rowKey(revision uint64) []byte {
	key := append(binary.BigEndian.AppendUint64(nil, revision), '_')
	return binary.BigEndian.AppendUint64(key, 0)
}

// put writes object i at a revision.
func put(rows *bolt.Bucket, t value.Transformer, i int, revision uint64) error {
	name := fmt.Sprintf("/registry/secrets/team-%03d/secret-%06d", i%500, i)
	plain := fmt.Sprintf(`{"apiVersion":"v1","kind":"Secret","metadata":{"namespace":"team-%03d","name":"secret-%06d"},"data":{"a":"`, i%500, i)
	const end = `"}}`
	plain += strings.Repeat("QUJD", valueSize)[:valueSize-len(plain)-len(end)] + end
	stored, err := t.TransformToStorage(context.Background(), []byte(plain), value.DefaultContext(name))
	if err != nil {
		return err
	}
	var message []byte
	message = protowire.AppendTag(message, 1, protowire.BytesType)
	message = protowire.AppendString(message, name)
	for _, field := range []struct {
		number protowire.Number
		value  uint64
	}{{2, revision}, {3, revision}, {4, 1}} {
		message = protowire.AppendTag(message, field.number, protowire.VarintType)
		message = protowire.AppendVarint(message, field.value)
	}
	message = protowire.AppendTag(message, 5, protowire.BytesType)
	message = protowire.AppendBytes(message, stored)
	return rows.Put(rowKey(revision), message)
}

// appendHash makes the file what the snapshot API answers: the pages, then their SHA-256.
func appendHash(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return err
	}
	_, err = file.Write(hash.Sum(nil))
	return err
}
