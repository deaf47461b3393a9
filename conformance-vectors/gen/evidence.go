package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
)

// writes of one name: more than half of the 200,000 that Kubernetes allows one aesgcm key.
const busyWrites = 110_000

// writeEvidence fills an etcd with what the sample does not hold, each thing with the file that an audit's tests look at:
// keys.snap has values of misnamed and misencoded keys, of another prefix and of no known format, ciphertext put back, and a
// name written 110,000 times; tails.snap has free pages in which long plaintext values begin.
func writeEvidence(dir string) {
	randomTape.rewind("evidence")
	_, endpoint, stop := startEtcd()
	defer stop()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	must(err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Minute)
	defer cancel()
	f := &filling{client: client}
	must(os.MkdirAll(dir, 0o755))
	save := func(name string) {
		stream, err := client.Snapshot(ctx)
		must(err)
		snapshot, err := io.ReadAll(stream)
		must(err)
		must(os.WriteFile(filepath.Join(dir, name), snapshot, 0o644))
	}

	// Long plaintext values share pages with others; rewritten and compacted away, their pages are reused in part.
	long := func(n int) []byte {
		s := &corev1.Secret{ObjectMeta: meta("big", fmt.Sprintf("cert-%02d", n), n), Type: corev1.SecretTypeOpaque,
			Data: map[string][]byte{"pem": bytes.Repeat([]byte(fmt.Sprintf("%02d long plaintext ", n)), 450+25*n)}}
		return stored(s, corev1.SchemeGroupVersion.WithKind("Secret"))
	}
	longKey := func(n int) string { return fmt.Sprintf("/registry/secrets/big/cert-%02d", n) }
	plain := f.start(secrets(identityProvider), nil, nil, nil, nil)
	for n := range 24 {
		plain.put("secrets", longKey(n), long(n))
	}
	plain.stop()
	old, busy := key{"gcm-old", bytesOf("evidence:gcm-old", 32)}, key{"gcm-busy", bytesOf("evidence:gcm-busy", 32)}
	e := f.start(doc(entry([]string{"secrets"}, keyed("aesgcm", old), identityProvider), entry([]string{"configmaps"}, keyed("aesgcm", busy))),
		nil, nil, nil, nil)
	for n := range 24 {
		e.put("secrets", longKey(n), secretObject("big", fmt.Sprintf("cert-%02d", n), n))
	}
	f.compact()
	for n := range 30 {
		e.put("secrets", fmt.Sprintf("/registry/secrets/default/early-%02d", n), secretObject("default", fmt.Sprintf("early-%02d", n), 100+n))
		if n%5 == 4 {
			time.Sleep(150 * time.Millisecond) // a commit of its own, which takes free pages
		}
	}
	save("tails.snap")
	for n := range 24 {
		f.remove(longKey(n))
	}

	// One name, written again and again.
	name := "/registry/configmaps/default/heartbeat"
	var all sync.WaitGroup
	for range 50 {
		all.Add(1)
		go func() {
			defer all.Done()
			for range busyWrites / 50 {
				_, err := client.Put(ctx, name, "written before")
				must(err)
			}
		}()
	}
	all.Wait()
	e.put("configmaps", name, configMapObject("default", "heartbeat", 200))

	// The key is the base64 text of 24 bytes: somebody encoded it twice.
	inner := bytesOf("evidence:inner", 24)
	twice := key{"twice", []byte(base64.StdEncoding.EncodeToString(inner))}
	d := f.start(secrets(keyed("aescbc", twice)), nil, nil, nil, nil)
	for n := range 3 {
		d.put("secrets", fmt.Sprintf("/registry/secrets/default/twice-%d", n), secretObject("default", fmt.Sprintf("twice-%d", n), 300+n))
	}
	d.stop()

	// Bound to another --etcd-prefix than the one it lies under.
	moved := "/registry/secrets/default/restored"
	t := e.seal("secrets", "/kubernetes.io/secrets/default/restored", secretObject("default", "restored", 310))
	f.store(row{key: moved, value: t})

	f.store(row{key: "/registry/secrets/default/odd", value: []byte("k8s:enc:rot13:v1:key1:frperg")})

	// An older value put back by hand, and one copied to another name.
	first := f.live("/registry/secrets/default/early-00").value
	e.put("secrets", "/registry/secrets/default/early-00", secretObject("default", "early-00", 100))
	f.store(row{key: "/registry/secrets/default/early-00", value: first})
	e.stop()

	fresh := key{"gcm-new", bytesOf("evidence:gcm-new", 32)}
	e = f.start(secrets(keyed("aesgcm", fresh, old), identityProvider), nil, nil, nil, nil)
	for n := range 4 {
		e.put("secrets", fmt.Sprintf("/registry/secrets/default/late-%d", n), secretObject("default", fmt.Sprintf("late-%d", n), 1000+n))
	}
	e.stop()
	at := f.rows[len(f.rows)-12].revision
	_, err = client.Compact(ctx, at, clientv3.WithCompactPhysical())
	must(err)
	_, err = client.Defragment(ctx, endpoint)
	must(err)
	save("keys.snap")
	config := "# Opens keys.snap but for what is wrong in it. The keys are made up and guard nothing.\n" + doc(
		entry([]string{"secrets"}, keyed("aesgcm", fresh, old), keyed("aescbc", twice), identityProvider),
		entry([]string{"configmaps"}, keyed("aesgcm", busy)))
	must(os.WriteFile(filepath.Join(dir, "keys.yaml"), []byte(config), 0o644))
	fmt.Printf("evidence: %d rows made\n", len(f.rows))
}
