package stage

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/rest"
)

// ServerOptions says how a kube-apiserver is started.
type ServerOptions struct {
	// Name of its log.
	Name string
	// Old starts the old release.
	Old  bool
	Etcd *Etcd
	// Config is the path of its EncryptionConfiguration; none if empty.
	Config string
	// Reload is --encryption-provider-config-automatic-reload.
	Reload bool
	// KMSv1 is the feature gate, for releases that have it.
	KMSv1 bool
	// Before is put before the command line, for a server in a mount namespace of its own.
	Before []string
	// Unready takes a server that is not ready because it cannot read a secret or reach its KMS: then it never is.
	Unready bool
	// Arguments are added to its command line.
	Arguments []string
}

// Server is a running kube-apiserver.
type Server struct {
	*Process
	// Client is what client-go needs to talk to it, as a member of system:masters.
	Client  *rest.Config
	Options ServerOptions
	http    *http.Client
	url     string
}

// StartServer starts a kube-apiserver and waits until it is ready. The error is a *Refused if it ends before.
func (s *Stage) StartServer(ctx context.Context, options ServerOptions) (*Server, error) {
	port, err := FreePort()
	if err != nil {
		return nil, err
	}
	binary := s.APIServer
	if options.Old {
		binary = s.OldAPIServer
	}
	argv := append(append([]string{}, options.Before...), binary,
		"--etcd-servers="+options.Etcd.URL, "--etcd-cafile="+s.certs.ca, "--etcd-certfile="+s.certs.admin, "--etcd-keyfile="+s.certs.adminKey,
		fmt.Sprintf("--secure-port=%d", port), "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none",
		"--tls-cert-file="+s.certs.server, "--tls-private-key-file="+s.certs.serverKey, "--client-ca-file="+s.certs.ca,
		"--service-account-issuer=https://localhost", "--service-account-key-file="+s.certs.accountsPub, "--service-account-signing-key-file="+s.certs.accounts,
		"--service-cluster-ip-range=10.0.0.0/24", "--authorization-mode=RBAC", "--disable-admission-plugins=ServiceAccount", "--profiling=false",
	)
	if options.Config != "" {
		argv = append(argv, "--encryption-provider-config="+options.Config)
	}
	if options.Reload {
		argv = append(argv, "--encryption-provider-config-automatic-reload=true")
	}
	if options.KMSv1 {
		argv = append(argv, "--feature-gates=KMSv1=true")
	}
	server := &Server{Options: options, url: fmt.Sprintf("https://127.0.0.1:%d", port)}
	if server.Process, err = s.Start("apiserver-"+options.Name, append(argv, options.Arguments...)...); err != nil {
		return nil, err
	}
	config, err := s.certs.clientTLS()
	if err != nil {
		return nil, err
	}
	server.http = &http.Client{Transport: &http.Transport{TLSClientConfig: config}, Timeout: 10 * time.Second}
	server.Client = &rest.Config{
		Host:            server.url,
		TLSClientConfig: rest.TLSClientConfig{CAData: s.certs.caPEM, CertData: s.certs.adminPEM, KeyData: s.certs.adKey},
		QPS:             -1,
		// The old release warns of each kind that is gone in newer ones.
		WarningHandler: rest.NoWarnings{},
	}
	return server, server.wait(ctx, 3*time.Minute, func(ctx context.Context) error {
		_, err := server.Get(ctx, "/readyz")
		if err != nil && options.Unready && onlyFor(err.Error(), "informer-sync", "kms-providers", "poststarthook") {
			return nil
		}
		return err
	})
}

// onlyFor is whether an answer of /readyz lists nothing as failed but these checks.
func onlyFor(answer string, checks ...string) bool {
	failed := 0
	for line := range strings.Lines(answer) {
		if rest, found := strings.CutPrefix(line, "[-]"); found {
			failed++
			name, _, _ := strings.Cut(rest, " ")
			// A hook that waits for all storage gives up after a minute; others wait for it.
			kind, _, _ := strings.Cut(name, "/")
			if !slices.Contains(checks, kind) {
				return false
			}
		}
	}
	return failed > 0
}

// Get is the body of a plain GET; an error unless the status is 200.
func (s *Server) Get(ctx context.Context, path string) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+path, nil)
	if err != nil {
		return "", err
	}
	response, err := s.http.Do(request)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %s: %s", path, response.Status, body)
	}
	return string(body), err
}

// Kubeconfig writes what kubectl, and our commands, need to talk to it.
func (s *Server) Kubeconfig(path string) error {
	text := func(bytes []byte) string { return base64.StdEncoding.EncodeToString(bytes) }
	return os.WriteFile(path, fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: e2e
contexts: [{name: e2e, context: {cluster: e2e, user: admin}}]
clusters: [{name: e2e, cluster: {server: "%s", certificate-authority-data: %s}}]
users: [{name: admin, user: {client-certificate-data: %s, client-key-data: %s}}]
`, s.url, text(s.Client.CAData), text(s.Client.CertData), text(s.Client.KeyData)), 0o600)
}

// URL is where it is served.
func (s *Server) URL() string { return s.url }
