package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"time"

	"k8s.io/kms/pkg/service"
)

// gcm16 is what the mock plugin of k8s.io/kms does with a token behind PKCS#11: AES-256-GCM with a nonce of 16 bytes, bound to the
// key_id. Here the key is in the process, so that it can only be faster.
type gcm16 struct{ aead cipher.AEAD }

const referenceKeyID = "kms-test"

func reference(socket string) error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCMWithNonceSize(block, 16)
	if err != nil {
		return err
	}
	return service.NewGRPCService(socket, 3*time.Second, &gcm16{aead}).ListenAndServe()
}

func (g *gcm16) Encrypt(_ context.Context, _ string, data []byte) (*service.EncryptResponse, error) {
	nonce := make([]byte, 16)
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return &service.EncryptResponse{
		Ciphertext: g.aead.Seal(nonce, nonce, data, []byte(referenceKeyID)), KeyID: referenceKeyID,
		Annotations: map[string][]byte{"version.encryption.remote.io": []byte("1")},
	}, nil
}

func (g *gcm16) Decrypt(_ context.Context, _ string, request *service.DecryptRequest) ([]byte, error) {
	if request.KeyID != referenceKeyID || len(request.Ciphertext) < 32 || len(request.Annotations) != 1 {
		return nil, errors.New("invalid request")
	}
	return g.aead.Open(nil, request.Ciphertext[:16], request.Ciphertext[16:], []byte(referenceKeyID))
}

func (g *gcm16) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2", Healthz: "ok", KeyID: referenceKeyID}, nil
}
