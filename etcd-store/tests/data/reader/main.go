// Reads backend files, logs and etcdctl's JSON with etcd's own libraries and prints plain facts, one a line.
package main

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"strings"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/etcdserverpb"
	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	"go.etcd.io/raft/v3/raftpb"
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// rows: revision, tombstone, then the fields of the KeyValue; afterwards the free pages.
func rows(path string) {
	db := must(bolt.Open(path, 0o400, &bolt.Options{ReadOnly: true, PreLoadFreelist: true}))
	defer db.Close()
	tx := must(db.Begin(false))
	defer tx.Rollback()
	err := tx.Bucket([]byte("key")).ForEach(func(k, v []byte) error {
		var kv mvccpb.KeyValue
		if err := kv.Unmarshal(v); err != nil {
			return err
		}
		fmt.Printf("row %d.%d %t %s %d %d %d %x %d %s\n", binary.BigEndian.Uint64(k), binary.BigEndian.Uint64(k[9:]), len(k) == 18,
			hex.EncodeToString(kv.Key), kv.CreateRevision, kv.ModRevision, kv.Version, kv.Lease, len(kv.Value), digest(kv.Value))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	for id := 2; ; id++ {
		page := must(tx.Page(id))
		if page == nil {
			break
		}
		if page.Type == "free" {
			// The header of a free page is an old one, and so is its overflow.
			fmt.Printf("free %d\n", id)
			continue
		}
		id += page.OverflowCount
	}
}

type response struct {
	Kvs []struct {
		Key, Value                                    string
		Create_revision, Mod_revision, Version, Lease int64
	}
}

// state: what a range over everything answered.
func state(path string) {
	var r response
	if err := json.Unmarshal(must(os.ReadFile(path)), &r); err != nil {
		log.Fatal(err)
	}
	for _, kv := range r.Kvs {
		key := must(base64.StdEncoding.DecodeString(kv.Key))
		value := must(base64.StdEncoding.DecodeString(kv.Value))
		fmt.Printf("%s %d %d %d %x %d %s\n", hex.EncodeToString(key), kv.Create_revision, kv.Mod_revision, kv.Version, kv.Lease, len(value), digest(value))
	}
}

func hashes(status string, kvs []string) {
	var st struct{ Hash uint32 }
	if err := json.Unmarshal(must(os.ReadFile(status)), &st); err != nil {
		log.Fatal(err)
	}
	fmt.Printf("status %d\n", st.Hash)
	for _, arg := range kvs {
		name, path, _ := strings.Cut(arg, "=")
		var kv []struct{ HashKV struct{ Hash uint32 } }
		if err := json.Unmarshal(must(os.ReadFile(path)), &kv); err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %d\n", name, kv[0].HashKV.Hash)
	}
}

// records calls f with each record of a log file and the place behind it.
func records(path string, f func(r *walpb.Record, end int)) {
	b := must(os.ReadFile(path))
	for at := 0; at+8 <= len(b); {
		word := binary.LittleEndian.Uint64(b[at:])
		if word == 0 {
			return
		}
		n, pad := int(word&(1<<56-1)), 0
		if word>>63 == 1 {
			pad = int(word>>56) & 7
		}
		var r walpb.Record
		if err := r.Unmarshal(b[at+8 : at+8+n]); err != nil {
			log.Fatal(err)
		}
		at += 8 + n + pad
		f(&r, at)
	}
}

// wal: the puts of each entry, inside transactions too, until log.wal will be cut off.
func wal(path string) {
	records(path, func(r *walpb.Record, end int) {
		if r.Type != 2 || end > keep {
			return
		}
		var e raftpb.Entry
		if err := e.Unmarshal(r.Data); err != nil {
			log.Fatal(err)
		}
		var q etcdserverpb.InternalRaftRequest
		if e.Type != raftpb.EntryNormal || len(e.Data) == 0 || q.Unmarshal(e.Data) != nil {
			fmt.Printf("entry %d other\n", e.Index)
			return
		}
		fmt.Printf("entry %d request\n", e.Index)
		put := func(p *etcdserverpb.PutRequest, where string) {
			fmt.Printf("put %s %s %d %s\n", where, hex.EncodeToString(p.Key), len(p.Value), digest(p.Value))
		}
		if q.Put != nil {
			put(q.Put, "put")
		}
		if q.Txn != nil {
			for _, op := range q.Txn.Success {
				if p := op.GetRequestPut(); p != nil {
					put(p, "success")
				}
			}
			for _, op := range q.Txn.Failure {
				if p := op.GetRequestPut(); p != nil {
					put(p, "failure")
				}
			}
		}
	})
}

const keep = 40_000

// head: the records that end in the first bytes of a log, then zeros as in a preallocated file.
func head(from, to string) {
	cut := 0
	records(from, func(_ *walpb.Record, end int) {
		if end <= keep {
			cut = end
		}
	})
	b := append(must(os.ReadFile(from))[:cut:cut], make([]byte, 512)...)
	if err := os.WriteFile(to, b, 0o644); err != nil {
		log.Fatal(err)
	}
}

// synced: a file with small pages and a stored freelist, as etcd writes it where it stores freelists.
func synced(path string) {
	os.Remove(path)
	db := must(bolt.Open(path, 0o644, &bolt.Options{PageSize: 1024, FreelistType: bolt.FreelistArrayType}))
	defer db.Close()
	put := func(main uint64, name string, size int) {
		err := db.Update(func(tx *bolt.Tx) error {
			meta, err := tx.CreateBucketIfNotExists([]byte("meta"))
			if err != nil {
				return err
			}
			index := binary.BigEndian.AppendUint64(nil, main)
			if err := meta.Put([]byte("consistent_index"), index); err != nil {
				return err
			}
			if err := meta.Put([]byte("term"), index); err != nil {
				return err
			}
			rows, err := tx.CreateBucketIfNotExists([]byte("key"))
			if err != nil {
				return err
			}
			key := binary.BigEndian.AppendUint64(nil, main)
			key = binary.BigEndian.AppendUint64(append(key, '_'), 0)
			kv := mvccpb.KeyValue{Key: []byte(name), CreateRevision: int64(main), ModRevision: int64(main), Version: 1, Value: make([]byte, size)}
			if err := rows.Put(key, must(kv.Marshal())); err != nil {
				return err
			}
			if first, _ := rows.Cursor().First(); main%3 == 0 {
				return rows.Delete(first)
			}
			return nil
		})
		if err != nil {
			log.Fatal(err)
		}
	}
	for main := uint64(2); main < 50; main++ {
		put(main, fmt.Sprintf("/name/%d", main%40), int(main*main%1300))
	}
}

func main() {
	switch a := os.Args; a[1] {
	case "synced":
		synced(a[2])
	case "rows":
		rows(a[2])
	case "state":
		state(a[2])
	case "hashes":
		hashes(a[2], a[3:])
	case "wal":
		wal(a[2])
	case "head":
		head(a[2], a[3])
	}
}
