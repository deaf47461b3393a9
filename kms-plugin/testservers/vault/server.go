// Command vault is HashiCorp Vault's own Transit engine, in memory, behind a server of ours that does what the core does around it:
// tokens, policies, logins, leases, sealing. It is for the tests of the plugin.
//
//	vault CERT KEY        listens on a free port of 127.0.0.1 with TLS and takes client certificates
//
// One line of JSON on standard output says where it listens, with which token, and which share unseals it. It ends when standard input does.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/vault/builtin/logical/transit"
	"github.com/hashicorp/vault/sdk/logical"
)

const rootToken = "root-token-of-the-tests"

type server struct {
	engine  logical.Backend
	storage logical.Storage

	mu       sync.Mutex
	sealed   bool
	tokens   map[string]*token
	policies map[string]string
	roles    map[string]map[string]any
	keys     map[string]string
}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: vault CERT KEY")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "vault:", err)
		os.Exit(1)
	}
}

func serve(certFile, keyFile string) error {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	s := &server{
		storage: &logical.InmemStorage{}, tokens: map[string]*token{rootToken: {}}, policies: map[string]string{},
		roles: map[string]map[string]any{}, keys: map[string]string{},
	}
	s.engine, err = transit.Factory(context.Background(), &logical.BackendConfig{
		StorageView: s.storage, Logger: hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr}),
		System: &logical.StaticSystemView{DefaultLeaseTTLVal: time.Hour, MaxLeaseTTLVal: 24 * time.Hour}, BackendUUID: "transit", Config: map[string]string{},
	})
	if err != nil {
		return err
	}
	if err := s.engine.Initialize(context.Background(), &logical.InitializationRequest{Storage: s.storage}); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{"address": "https://" + listener.Addr().String(), "token": rootToken, "share": "made-up-share"}); err != nil {
		return err
	}
	front := &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12},
	}
	return front.ServeTLS(listener, "", "")
}

func refuse(w http.ResponseWriter, status int, texts ...string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{"errors": append([]string{}, texts...)})
}

func answer(w http.ResponseWriter, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	body["request_id"] = "00000000-1111-2222-3333-444444444444"
	_ = json.NewEncoder(w).Encode(body)
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	var data map[string]any
	if body, err := io.ReadAll(r.Body); err == nil && len(body) > 0 {
		if json.Unmarshal(body, &data) != nil {
			refuse(w, http.StatusBadRequest, "failed to parse JSON input")
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case path == "sys/unseal":
		s.sealed = false
		answer(w, map[string]any{"sealed": false})
		return
	case s.sealed:
		refuse(w, http.StatusServiceUnavailable, "Vault is sealed")
		return
	case strings.HasPrefix(path, "auth/") && strings.HasSuffix(path, "/login"):
		s.login(w, r, path, data)
		return
	}
	held := s.tokens[r.Header.Get("X-Vault-Token")]
	if held == nil || held.ended() {
		refuse(w, http.StatusForbidden, "permission denied", "invalid token")
		return
	}
	rest, isTransit := strings.CutPrefix(path, "transit/")
	switch {
	case isTransit:
		s.transit(w, r, held, rest, data)
	case s.ofToken(w, r, held, path):
	case held.policies != nil:
		refuse(w, http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
	default:
		s.admin(w, path, data)
	}
}

// transit hands a request to the engine, as the core does: what is not there yet is created, which needs leave to create.
func (s *server) transit(w http.ResponseWriter, r *http.Request, held *token, path string, data map[string]any) {
	request := &logical.Request{
		ID: "1", Path: path, Data: data, Storage: s.storage, ClientToken: "t", MountPoint: "transit/", MountType: "transit",
		Operation: map[string]logical.Operation{http.MethodGet: logical.ReadOperation, http.MethodDelete: logical.DeleteOperation}[r.Method],
	}
	if request.Operation == "" {
		request.Operation = logical.UpdateOperation
		if checked, exists, err := s.engine.HandleExistenceCheck(r.Context(), request); err == nil && checked && !exists {
			request.Operation = logical.CreateOperation
		}
	}
	if held.policies != nil && !s.allowed(held, "transit/"+path, string(request.Operation)) {
		refuse(w, http.StatusForbidden, "1 error occurred:\n\t* permission denied\n\n")
		return
	}
	said, err := s.engine.HandleRequest(r.Context(), request)
	if status, err := logical.RespondErrorCommon(request, said, err); err != nil || status != 0 {
		if err == nil {
			refuse(w, status)
			return
		}
		refuse(w, status, err.Error())
		return
	}
	if said == nil || (said.Data == nil && len(said.Warnings) == 0) {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	answer(w, map[string]any{"data": said.Data})
}
