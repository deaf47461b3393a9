// Command kine is kine's SQLite driver behind kine's etcd API, as k3s runs it, on loopback: `kine FILE` prints its address
// and ends with its standard input. kine's own command brings every database it can talk to; this takes the one.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/k3s-io/kine/pkg/drivers"
	"github.com/k3s-io/kine/pkg/drivers/generic"
	"github.com/k3s-io/kine/pkg/drivers/sqlite"
	"github.com/k3s-io/kine/pkg/server"
	"google.golang.org/grpc"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "kine:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	wg := &sync.WaitGroup{}
	// The defaults of kine's flags, but for a compaction each second of all but the last revision.
	_, backend, err := sqlite.New(ctx, wg, &drivers.Config{
		Scheme:               "sqlite",
		DataSourceName:       os.Args[1] + "?" + sqlite.DefaultParams,
		ConnectionPoolConfig: generic.ConnectionPoolConfig{},
		CompactInterval:      time.Second,
		CompactTimeout:       5 * time.Second,
		CompactMinRetain:     1,
		CompactBatchSize:     1000,
		PollBatchSize:        500,
		PollInterval:         time.Second,
	})
	if err != nil {
		return err
	}
	if err := backend.Start(ctx); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	serving := grpc.NewServer()
	server.New(backend, "http", 5*time.Second, "3.5.13").Register(serving)
	go serving.Serve(listener)
	fmt.Printf("http://%s\n", listener.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	serving.Stop()
	cancel()
	wg.Wait()
	return err
}
