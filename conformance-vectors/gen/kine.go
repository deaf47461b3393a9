package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// writeKine fills a real kine with its SQLite database: plaintext Secrets, most of them rewritten encrypted, some deleted, the
// past compacted. kine.db is what a clean stop leaves; killed.db with killed.db-wal is what kine leaves when it is killed after
// five more writes.
func writeKine(dir, binary string) {
	randomTape.rewind("kine")
	must(os.MkdirAll(dir, 0o755))
	state := filepath.Join(workDir, "state.db")
	secretKey := func(n int) (string, string) {
		name := fmt.Sprintf("app-%02d", n)
		return "/registry/secrets/default/" + name, name
	}
	k := key{"gcm", bytesOf("kine:gcm", 32)}
	f := &filling{}
	e := f.start(secrets(keyed("aesgcm", k), identityProvider), nil, nil, nil, nil)
	defer e.stop()

	client, stop := startKine(binary, state)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// As kube-apiserver writes: created if absent, then replaced or deleted if unchanged.
	last := map[string]int64{}
	commit := func(name string, op clientv3.Op) {
		r, err := client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(name), "=", last[name])).
			Then(op).Else(clientv3.OpGet(name)).Commit()
		must(err)
		if !r.Succeeded {
			fatal("kine: %s has changed", name)
		}
		last[name] = r.Header.Revision
	}
	put := func(name string, value []byte) { commit(name, clientv3.OpPut(name, string(value))) }
	for n := range 40 {
		path, name := secretKey(n)
		put(path, secretObject("default", name, n))
	}
	for n := range 30 {
		path, name := secretKey(n)
		put(path, e.seal("secrets", path, secretObject("default", name, n)))
	}
	for n := 27; n < 33; n++ {
		path, _ := secretKey(n)
		commit(path, clientv3.OpDelete(path))
	}
	path, _ := secretKey(0)
	_, err := client.Compact(ctx, last[path]+10)
	must(err)
	time.Sleep(time.Second)
	stop(syscall.SIGTERM)
	copyFile(state, filepath.Join(dir, "kine.db"))

	client, stop = startKine(binary, state)
	for n := 20; n < 25; n++ {
		path, name := secretKey(n)
		put(path, e.seal("secrets", path, secretObject("default", name, n)))
	}
	stop(syscall.SIGKILL)
	copyFile(state, filepath.Join(dir, "killed.db"))
	copyFile(state+"-wal", filepath.Join(dir, "killed.db-wal"))
}

func copyFile(from, to string) {
	b, err := os.ReadFile(from)
	must(err)
	must(os.WriteFile(to, b, 0o644))
}

func startKine(binary, state string) (*clientv3.Client, func(os.Signal)) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	address := l.Addr().String()
	must(l.Close())
	cmd := exec.Command(binary, "--listen-address", "tcp://"+address, "--metrics-bind-address", "0", "--compact-min-retain", "0",
		"--endpoint", "sqlite://"+state+"?_journal_mode=WAL&_busy_timeout=30000&cache=shared")
	cmd.Stderr = os.Stderr
	must(cmd.Start())
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{"http://" + address}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	must(err)
	for range 100 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err = client.Get(ctx, "/registry/health")
		cancel()
		if err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	must(err)
	return client, func(signal os.Signal) {
		_ = client.Close()
		_ = cmd.Process.Signal(signal)
		_ = cmd.Wait()
	}
}
