package stage

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"os"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc"
)

// Etcd is a running etcd with one member, and a client of it.
type Etcd struct {
	*Process
	*clientv3.Client
	URL string
	// DataDir is the member's folder.
	DataDir string
	stage   *Stage
}

// StartEtcd starts an etcd with TLS. arguments are added to its command line.
func (s *Stage) StartEtcd(ctx context.Context, name string, arguments ...string) (*Etcd, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	peer, err := FreePort()
	if err != nil {
		return nil, err
	}
	e := &Etcd{URL: fmt.Sprintf("https://127.0.0.1:%d", port), DataDir: s.Path("etcd", name), stage: s}
	peerURL := fmt.Sprintf("http://127.0.0.1:%d", peer)
	e.Process, err = s.Start("etcd-"+name, append([]string{
		s.Etcd, "--name=" + name, "--data-dir=" + e.DataDir,
		"--listen-client-urls=" + e.URL, "--advertise-client-urls=" + e.URL,
		"--listen-peer-urls=" + peerURL, "--initial-advertise-peer-urls=" + peerURL, "--initial-cluster=" + name + "=" + peerURL,
		"--cert-file=" + s.certs.server, "--key-file=" + s.certs.serverKey, "--trusted-ca-file=" + s.certs.ca, "--client-cert-auth",
		// Nothing of a run has to survive a power cut.
		"--unsafe-no-fsync", "--log-level=warn",
	}, arguments...)...)
	if err != nil {
		return nil, err
	}
	config, err := s.certs.clientTLS()
	if err != nil {
		return nil, err
	}
	e.Client, err = clientv3.New(clientv3.Config{
		Endpoints:   []string{e.URL},
		TLS:         config,
		Logger:      zap.NewNop(),
		DialOptions: []grpc.DialOption{grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1 << 30))},
	})
	if err != nil {
		return nil, err
	}
	return e, e.wait(ctx, time.Minute, func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		_, err := e.Client.Get(ctx, "/ready")
		return err
	})
}

// SaveSnapshot writes what etcd's snapshot API answers into a file, as etcdctl does.
func (e *Etcd) SaveSnapshot(ctx context.Context, path string) error {
	snapshot, err := e.Client.SnapshotWithVersion(ctx)
	if err != nil {
		return fmt.Errorf("no snapshot of %s: %w", e.Name, err)
	}
	defer snapshot.Snapshot.Close()
	out, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer out.Close()
	if _, err := io.Copy(out, snapshot.Snapshot); err != nil {
		return fmt.Errorf("no whole snapshot of %s: %w", e.Name, err)
	}
	return nil
}

// ServerVersion is what etcd says of itself.
func (e *Etcd) ServerVersion(ctx context.Context) (string, error) {
	status, err := e.Client.Status(ctx, e.URL)
	if err != nil {
		return "", err
	}
	return status.Version, nil
}

func (c *certs) clientTLS() (*tls.Config, error) {
	pair, err := tls.X509KeyPair(c.adminPEM, c.adKey)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.caPEM)
	return &tls.Config{Certificates: []tls.Certificate{pair}, RootCAs: roots}, nil
}
