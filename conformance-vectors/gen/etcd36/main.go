// Command etcd36 is a real etcd 3.6 server for the sample snapshot: one member,
// loopback only, stopped when standard input ends. It is a module of its own
// because k8s.io/apiserver requires etcd 3.7.
package main

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"time"

	"go.etcd.io/etcd/api/v3/version"
	"go.etcd.io/etcd/server/v3/embed"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "etcd36:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "etcd36-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	c := embed.NewConfig()
	c.Dir = dir
	c.LogLevel = "panic"
	loopback := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	c.ListenClientUrls, c.AdvertiseClientUrls = []url.URL{loopback}, []url.URL{loopback}
	c.ListenPeerUrls, c.AdvertisePeerUrls = []url.URL{loopback}, []url.URL{loopback}
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	// Commit often and in small batches: pages fill in order, the file stays small.
	c.BackendBatchLimit = 100
	e, err := embed.StartEtcd(c)
	if err != nil {
		return err
	}
	defer e.Close()
	select {
	case <-e.Server.ReadyNotify():
	case <-time.After(30 * time.Second):
		return fmt.Errorf("not ready after 30 s")
	}
	fmt.Printf("%s http://%s\n", version.Version, e.Clients[0].Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}
