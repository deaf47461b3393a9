// Package toykms is a KMS plugin, both versions of the API on one socket. Its KEKs are made by the run and guard nothing.
package toykms

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/kms/apis/v1beta1"
	"k8s.io/kms/apis/v2"
)

// Plugin serves one socket. The zero KEK id is never used.
type Plugin struct {
	Socket string
	mu     sync.Mutex
	keks   map[string]cipher.AEAD
	now    string
	server *grpc.Server
	// Calls counts what was asked.
	Calls struct{ Status, Encrypt, Decrypt int }
	down  bool
}

// New makes a plugin with one KEK and serves it.
func New(socket, keyID string) (*Plugin, error) {
	p := &Plugin{Socket: socket, keks: make(map[string]cipher.AEAD)}
	if err := p.Rotate(keyID); err != nil {
		return nil, err
	}
	return p, p.Serve()
}

// Endpoint is the socket as a configuration names it.
func (p *Plugin) Endpoint() string { return "unix://" + p.Socket }

// Rotate makes a new KEK; the old ones still decrypt.
func (p *Plugin) Rotate(keyID string) error {
	kek := make([]byte, 32)
	if _, err := rand.Read(kek); err != nil {
		return err
	}
	block, err := aes.NewCipher(kek)
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.keks[keyID], p.now = aead, keyID
	return nil
}

// Forget destroys a KEK.
func (p *Plugin) Forget(keyID string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.keks, keyID)
}

// SetDown has every call fail as Unavailable, or answer again.
func (p *Plugin) SetDown(down bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down = down
}

// Serve listens again after a Close, or for the first time.
func (p *Plugin) Serve() error {
	if err := os.Remove(p.Socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", p.Socket)
	if err != nil {
		return fmt.Errorf("the KMS plugin of the run cannot listen: %w", err)
	}
	server := grpc.NewServer()
	v1beta1.RegisterKeyManagementServiceServer(server, v1{Plugin: p})
	v2.RegisterKeyManagementServiceServer(server, v2server{Plugin: p})
	p.server = server
	go func() { _ = server.Serve(listener) }()
	return nil
}

// Close ends it as a crash would: calls are cut off.
func (p *Plugin) Close() { p.server.Stop() }

// Seal encrypts under the current KEK.
func (p *Plugin) Seal(plaintext []byte) (sealed []byte, keyID string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Calls.Encrypt++
	if p.down {
		return nil, "", status.Error(codes.Unavailable, "the toy KMS is down")
	}
	aead := p.keks[p.now]
	nonce := make([]byte, aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, "", err
	}
	return aead.Seal(nonce, nonce, plaintext, nil), p.now, nil
}

// Unwrap is the plugin's Decrypt. An empty keyID stands for any.
func (p *Plugin) Unwrap(ciphertext []byte, keyID string) ([]byte, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Calls.Decrypt++
	if p.down {
		return nil, status.Error(codes.Unavailable, "the toy KMS is down")
	}
	for id, aead := range p.keks {
		if keyID != "" && id != keyID || len(ciphertext) < aead.NonceSize() {
			continue
		}
		plaintext, err := aead.Open(nil, ciphertext[:aead.NonceSize()], ciphertext[aead.NonceSize():], nil)
		if err == nil {
			return plaintext, nil
		}
	}
	return nil, status.Errorf(codes.InvalidArgument, "no KEK opens this, key_id %q", keyID)
}

type v1 struct {
	*Plugin
	v1beta1.UnimplementedKeyManagementServiceServer
}

func (p v1) Version(context.Context, *v1beta1.VersionRequest) (*v1beta1.VersionResponse, error) {
	return &v1beta1.VersionResponse{Version: "v1beta1", RuntimeName: "toykms", RuntimeVersion: "1"}, nil
}

func (p v1) Decrypt(_ context.Context, request *v1beta1.DecryptRequest) (*v1beta1.DecryptResponse, error) {
	plain, err := p.Unwrap(request.Cipher, "")
	return &v1beta1.DecryptResponse{Plain: plain}, err
}

func (p v1) Encrypt(_ context.Context, request *v1beta1.EncryptRequest) (*v1beta1.EncryptResponse, error) {
	sealed, _, err := p.Seal(request.Plain)
	return &v1beta1.EncryptResponse{Cipher: sealed}, err
}

type v2server struct {
	*Plugin
	v2.UnimplementedKeyManagementServiceServer
}

func (p v2server) Status(context.Context, *v2.StatusRequest) (*v2.StatusResponse, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.Calls.Status++
	if p.down {
		return nil, status.Error(codes.Unavailable, "the toy KMS is down")
	}
	return &v2.StatusResponse{Version: "v2", Healthz: "ok", KeyId: p.now}, nil
}

func (p v2server) Decrypt(_ context.Context, request *v2.DecryptRequest) (*v2.DecryptResponse, error) {
	plain, err := p.Unwrap(request.Ciphertext, request.KeyId)
	return &v2.DecryptResponse{Plaintext: plain}, err
}

func (p v2server) Encrypt(_ context.Context, request *v2.EncryptRequest) (*v2.EncryptResponse, error) {
	sealed, keyID, err := p.Seal(request.Plaintext)
	return &v2.EncryptResponse{Ciphertext: sealed, KeyId: keyID}, err
}
