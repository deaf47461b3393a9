package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// writeRestarts makes restarts.snap: an API server with KMS v2 that was started 60 times and wrote one Secret each time, so
// that each lies under a seed of its own; and ConfigMaps under a key that somebody typed with a line feed at its end, one of
// them copied to another name.
func writeRestarts(dir string) {
	randomTape.rewind("restarts")
	_, endpoint, stop := startEtcd()
	defer stop()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()})
	must(err)
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	f := &filling{client: client}

	cloud := &localKMS{keks: map[string][]byte{"kek-1": bytesOf("restarts:kek", 32)}}
	typed := key{"typed", []byte("it was typed, and echo added it\n")}
	config := doc(entry([]string{"secrets"}, kms("v2", "cloud-kms", "timeout: 3s")), entry([]string{"configmaps"}, keyed("aescbc", typed)))
	for n := range 60 {
		e := f.start(config, nil, map[string]*plugin{"cloud-kms": cloud.plugin("kek-1", false, nil)}, cloud, nil)
		name := fmt.Sprintf("app-%02d", n)
		e.put("secrets", "/registry/secrets/default/"+name, secretObject("default", name, n))
		if n < 3 {
			e.put("configmaps", "/registry/configmaps/default/"+name, configMapObject("default", name, n))
		}
		e.stop()
	}
	f.compact()
	// A ciphertext that authenticates nothing, put under another name: it opens there.
	f.store(row{key: "/registry/configmaps/default/copied", value: f.live("/registry/configmaps/default/app-00").value})
	_, err = client.Defragment(ctx, endpoint)
	must(err)
	stream, err := client.Snapshot(ctx)
	must(err)
	snapshot, err := io.ReadAll(stream)
	must(err)
	must(os.MkdirAll(dir, 0o755))
	must(os.WriteFile(filepath.Join(dir, "restarts.snap"), snapshot, 0o644))
	must(os.WriteFile(filepath.Join(dir, "restarts.yaml"), []byte("# Wrote restarts.snap. The key is made up and guards nothing.\n"+config), 0o644))
	fmt.Printf("restarts: %d rows made\n", len(f.rows))
}
