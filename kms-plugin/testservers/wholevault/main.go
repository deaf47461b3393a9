// Command wholevault is HashiCorp Vault itself, its core and its HTTP handler, in memory, initialised and unsealed as `vault server -dev` is. It is for
// the tests of the plugin: what testservers/vault does in front of the Transit engine is here Vault's own work.
//
//	wholevault CERT KEY   listens on a free port of 127.0.0.1 with TLS and takes client certificates
//
// One line of JSON on standard output says where it listens, with which token, and which share unseals it. It ends when standard input does.
package main

import (
	"context"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/hashicorp/go-hclog"
	jwt "github.com/hashicorp/vault-plugin-auth-jwt"
	"github.com/hashicorp/vault/builtin/credential/approle"
	"github.com/hashicorp/vault/builtin/credential/cert"
	"github.com/hashicorp/vault/builtin/logical/transit"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/helper/consts"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/inmem"
	"github.com/hashicorp/vault/vault"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: wholevault CERT KEY")
		os.Exit(2)
	}
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "wholevault:", err)
		os.Exit(1)
	}
}

func serve(certFile, keyFile string) error {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	core, err := started("https://" + listener.Addr().String())
	if err != nil {
		return err
	}
	made, err := core.Initialize(context.Background(), &vault.InitParams{
		BarrierConfig: &vault.SealConfig{SecretShares: 1, SecretThreshold: 1}, RecoveryConfig: &vault.SealConfig{},
	})
	if err != nil {
		return err
	}
	share := hex.EncodeToString(made.SecretShares[0])
	if open, err := core.Unseal(made.SecretShares[0]); err != nil || !open {
		return errors.Join(errors.New("the core does not unseal"), err)
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := json.NewEncoder(os.Stdout).Encode(map[string]string{
		"address": "https://" + listener.Addr().String(), "token": made.RootToken, "share": share,
	}); err != nil {
		return err
	}
	front := &http.Server{
		Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
			Core: core, ListenerConfig: &configutil.Listener{Type: "tcp", Address: listener.Addr().String()},
		}),
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{pair}, ClientAuth: tls.RequestClientCert, MinVersion: tls.VersionTLS12},
	}
	return front.ServeTLS(listener, "", "")
}

func started(address string) (*vault.Core, error) {
	logger := hclog.New(&hclog.LoggerOptions{Level: hclog.Error, Output: os.Stderr})
	storage, err := inmem.NewInmem(nil, logger)
	if err != nil {
		return nil, err
	}
	return vault.NewCore(&vault.CoreConfig{
		Physical: storage, Logger: logger, DisableMlock: true, DisableCache: true, RedirectAddr: address,
		BuiltinRegistry:    builtin{},
		LogicalBackends:    map[string]logical.Factory{"transit": transit.Factory},
		CredentialBackends: map[string]logical.Factory{"approle": approle.Factory, "cert": cert.Factory, "jwt": jwt.Factory},
	})
}

// builtin has no plugin: the core asks its own lists first.
type builtin struct{}

func (builtin) Contains(string, consts.PluginType) bool                   { return false }
func (builtin) Get(string, consts.PluginType) (func() (any, error), bool) { return nil, false }
func (builtin) Keys(consts.PluginType) []string                           { return nil }
func (builtin) IsBuiltinEntPlugin(string, consts.PluginType) bool         { return false }
func (builtin) DeprecationStatus(string, consts.PluginType) (consts.DeprecationStatus, bool) {
	return consts.Supported, true
}
