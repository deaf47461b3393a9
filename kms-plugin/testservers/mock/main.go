// Command mock is what the reference mock of k8s.io/kms consists of: its service package in front of crypto11 and a PKCS#11 token.
// The mock's own program stands in a nested module that the module proxy does not serve, so the few lines between the two are ours;
// key label, nonce, associated data and annotation are the mock's. It is for scripts/bench.
//
//	mock init  CONFIG            makes the AES key in the token that CONFIG (of crypto11) names
//	mock serve CONFIG SOCKET     serves until it is killed
package main

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ThalesIgnite/crypto11"
	"k8s.io/kms/pkg/service"
)

const (
	keyID      = "kms-test"
	annotation = "version.encryption.remote.io"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "mock:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if !(len(args) == 2 && args[0] == "init") && !(len(args) == 3 && args[0] == "serve") {
		return errors.New("usage: mock init CONFIG | mock serve CONFIG SOCKET")
	}
	token, err := crypto11.ConfigureFromFile(args[1])
	if err != nil {
		return err
	}
	defer token.Close()
	if args[0] == "init" {
		_, err := token.GenerateSecretKeyWithLabel([]byte{1}, []byte(keyID), 256, crypto11.CipherAES)
		return err
	}
	key, err := token.FindKey(nil, []byte(keyID))
	if err != nil {
		return err
	}
	if key == nil {
		return fmt.Errorf("the token has no key %q", keyID)
	}
	aead, err := key.NewGCM()
	if err != nil {
		return err
	}
	return service.NewGRPCService(args[2], 5*time.Second, &remote{aead}).ListenAndServe()
}

type remote struct{ aead cipher.AEAD }

// Encrypt gives nonce, ciphertext and tag.
func (r *remote) Encrypt(_ context.Context, _ string, data []byte) (*service.EncryptResponse, error) {
	nonce := make([]byte, r.aead.NonceSize(), r.aead.NonceSize()+len(data)+r.aead.Overhead())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return &service.EncryptResponse{
		Ciphertext: append(nonce, r.aead.Seal(nil, nonce, data, []byte(keyID))...), KeyID: keyID, Annotations: map[string][]byte{annotation: []byte("1")},
	}, nil
}

// Decrypt takes what Encrypt gave.
func (r *remote) Decrypt(_ context.Context, _ string, request *service.DecryptRequest) ([]byte, error) {
	size := r.aead.NonceSize()
	if len(request.Annotations) != 1 || string(request.Annotations[annotation]) != "1" || request.KeyID != keyID || len(request.Ciphertext) < size {
		return nil, errors.New("this is nothing of the mock's")
	}
	return r.aead.Open(nil, request.Ciphertext[:size], request.Ciphertext[size:], []byte(keyID))
}

// Status is always well.
func (r *remote) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2", Healthz: "ok", KeyID: keyID}, nil
}
