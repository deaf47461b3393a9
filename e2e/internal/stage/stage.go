// Package stage sets up what a run happens on: etcd, kube-apiservers, certificates, all on loopback and in one folder.
package stage

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
)

// Programs are the paths of what was built for the run.
type Programs struct{ Etcd, APIServer, OldAPIServer string }

// Stage is one run's folder and everything that runs in it.
type Stage struct {
	Dir string
	Programs
	certs   *certs
	mu      sync.Mutex
	running []*Process
	started map[string]int
}

// New makes the folder and the certificates. It is short, because sockets are in it.
func New(programs Programs) (*Stage, error) {
	dir, err := os.MkdirTemp("", "k8senc-e2e-")
	if err != nil {
		return nil, err
	}
	s := &Stage{Dir: dir, Programs: programs, started: make(map[string]int)}
	for _, name := range []string{"logs", "pki", "etcd", "config"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	s.certs, err = makeCerts(filepath.Join(dir, "pki"))
	return s, err
}

// Path is a file in the run's folder.
func (s *Stage) Path(parts ...string) string {
	return filepath.Join(append([]string{s.Dir}, parts...)...)
}

// Close ends all programs. The folder goes too unless it is to be kept.
func (s *Stage) Close(keep bool) error {
	s.endAll()
	if keep {
		return nil
	}
	return os.RemoveAll(s.Dir)
}

// ServerCert is the certificate and key of 127.0.0.1, and CA what signed it, as files.
func (s *Stage) ServerCert() (crt, key, ca string) {
	return s.certs.server, s.certs.serverKey, s.certs.ca
}

// FreePort is a port of loopback that was free a moment ago.
func FreePort() (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("no free port: %w", err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port, nil
}
